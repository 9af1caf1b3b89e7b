/** The layer around all that makes attempts: it closes a request's tab when the last of them is over. */
import type { Layer } from '../core/call.ts';
import type { Books } from './books.ts';
import { beforeEnd } from './over.ts';

/**
 * Where nothing comes between it and the attempts but the wait for a place. The tab is closed before the end of an answer is
 * passed on; where an attempt goes on after its answer (it is read to its end for the bill) when that one has ended.
 */
export function metered(books: Books): Layer {
  return (next) => async (call) => {
    const tab = books.of(call);
    if (!tab) return next(call);
    // before anything is waited for: from here on the tab is closed here
    tab.isWorking = true;
    const { attempts } = call.trace;
    let isOver = false;
    const closeIfOver = async (): Promise<void> => {
      if (isOver && attempts.every(({ outcome }) => outcome !== undefined)) await books.close(tab);
    };
    const over = (): Promise<void> => {
      isOver = true;
      return closeIfOver();
    };
    try {
      const reply = await next({ ...call, attempted: () => void closeIfOver() });
      return await beforeEnd(reply, call.signal, over);
    } catch (cause) {
      await over();
      throw cause;
    }
  };
}
