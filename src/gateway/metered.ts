/** The layer around all that makes attempts: it closes a request's tab when the last of them is over. */
import type { Call, Handler, Layer, Reply } from '../core/call.ts';
import type { Soon } from '../core/soon.ts';
import type { Books, Tab } from './books.ts';
import { beforeEnd } from './over.ts';

/**
 * Where nothing comes between it and the attempts but the wait for a place. The tab is closed before the end of an answer is
 * passed on; where an attempt goes on after its answer (it is read to its end for the bill) when that one has ended.
 */
export function metered(books: Books): Layer {
  return (next) => (call) => {
    const tab = books.of(call);
    return tab ? answer(next, call, { tab, books }) : next(call);
  };
}

interface Metering {
  readonly tab: Tab;
  readonly books: Books;
}

async function answer(next: Handler, call: Call, metering: Metering): Promise<Reply> {
  // before anything is waited for: from here on the tab is closed here
  metering.tab.isWorking = true;
  try {
    const reply = await next(watchedCall(call, metering));
    const ended = beforeEnd(reply, call.signal, () => over(metering));
    return ended instanceof Promise ? await ended : ended;
  } catch (cause) {
    const closing = over(metering);
    if (closing) await closing;
    throw cause;
  }
}

function watchedCall(call: Call, metering: Metering): Call {
  return { ...call, attempted: () => void closeIfOver(metering) };
}

function over(metering: Metering): Soon<void> {
  metering.tab.isOver = true;
  return closeIfOver(metering);
}

function closeIfOver({ tab, books }: Metering): Soon<void> {
  if (!tab.isOver) return undefined;
  for (const { outcome } of tab.call.trace.attempts) if (outcome === undefined) return undefined;
  return books.close(tab);
}
