/**
 * Connections on their way to a worker. Node hands them over one after the other, each acknowledged twice: that it has come, and that it
 * was taken. Where a worker dies in between, Node (24: lib/internal/child_process.js, lib/internal/cluster) waits for both for ever:
 * the end of the channel is never told, and the client is never answered. This says both in the dead worker's place.
 */
import type { Worker } from 'node:cluster';

/** What Node's own messages have. */
interface ClusterMessage {
  readonly cmd?: string;
  readonly act?: string;
  readonly seq?: number;
  readonly ack?: number;
}

export interface Handover {
  /**
   * For a worker that has ended and whose channel is closed: connections that it has not taken go to another one, and its `disconnect`
   * is told. Does nothing before, and nothing where all of that has happened.
   */
  settle(): void;
}

/** Must be made before the worker listens. */
export function watchHandover({ process: child }: Worker): Handover {
  const underWay = new Set<number>();
  const send = child.send.bind(child) as (...all: readonly unknown[]) => boolean;
  Object.assign(child, {
    send(message: ClusterMessage, ...more: readonly unknown[]) {
      if (message.act === 'newconn' && message.seq !== undefined) underWay.add(message.seq);
      return send(message, ...more);
    },
  });
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) underWay.delete(ack);
  });

  return {
    settle() {
      const { _handleQueue: unacknowledged } = child as { readonly _handleQueue?: unknown };
      if (child.connected) return;
      if (Array.isArray(unacknowledged)) {
        // what stands behind it cannot be sent any more: Node would try, and fail an assertion
        unacknowledged.length = 0;
        child.emit('internalMessage', { cmd: 'NODE_HANDLE_ACK' });
        if (!child.channel) child.emit('disconnect');
      }
      // not before: the dead worker must not be given them once more
      for (const ack of underWay) child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: false });
    },
  };
}
