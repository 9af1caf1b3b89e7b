/** Ids of tool calls as the Responses API takes them: at most 64 characters, each call its own. */
import { createHash } from 'node:crypto';

/** https://platform.openai.com/docs/api-reference/responses/create: `call_id` of a function call's output. */
const LONGEST_ID = 64;

export interface CallIds<Facts> {
  /** The id to send for a call that the history names `id`; `facts` are kept for its result. */
  call(id: string, facts: Facts): string;
  /** The call that a result answers: of several with one id in a turn, the results answer them in order. */
  result(id: string): { readonly id: string; readonly facts: Facts } | undefined;
}

/** Ids of one request. Providers that count their calls anew with every turn give the same id again and again. */
export function createCallIds<Facts>(): CallIds<Facts> {
  const sent = new Set<string>();
  const open = new Map<string, { readonly id: string; readonly facts: Facts }[]>();
  return {
    call(id, facts) {
      const short = shortened(id);
      let own = short;
      for (let nth = 2; sent.has(own); nth++) own = shortened(`${short}_${nth}`);
      sent.add(own);
      const waiting = open.get(id) ?? [];
      waiting.push({ id: own, facts });
      open.set(id, waiting);
      return own;
    },
    result: (id) => open.get(id)?.shift(),
  };
}

function shortened(id: string): string {
  if (id.length <= LONGEST_ID) return id;
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 40)}`;
}
