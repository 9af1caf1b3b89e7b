/**
 * A process that takes from counters in a Redis: its arguments are the address, a prefix, and the milliseconds of its lease.
 * A line `take <first> <count> <limit>` takes 1 of the budget `shared` and of a rate so often at once, and is answered with how
 * many fitted; `settle <first> <count>` settles those of them that did by the whole amount.
 */
import { createInterface } from 'node:readline';
import type { Counter } from '../../src/gateway/store-ports.ts';
import { redisCounters } from '../../src/store/redis/counters.ts';

const [url = '', prefix = '', leaseMs = ''] = process.argv.slice(2);
const log = { info: () => undefined, warn: (fields: object, message: string) => console.error(message, fields) };
const store = redisCounters({ url, prefix, log, whenDown: 'refuse', leaseMs: Number(leaseMs), timeoutMs: 20_000 });
store.seed(async () => 0n);
const taken = new Set<string>();

const countersOf = (limit: number): readonly Counter[] => [
  { kind: 'budget', key: 'shared', limit: BigInt(limit), since: 0, until: undefined },
  { kind: 'rate', key: 'shared', limit, windowMs: 60_000 },
  { kind: 'concurrent', key: 'shared', limit },
];

for await (const line of createInterface({ input: process.stdin })) {
  const [what, first, count, limit] = line.split(' ');
  const ids = Array.from({ length: Number(count) }, (_, index) => `${process.pid}:${Number(first) + index}`);
  const takes = countersOf(Number(limit ?? 0)).map((counter) => ({ counter, amount: 1n }));
  if (what === 'take') {
    const answers = await Promise.all(ids.map(async (id) => store.take(id, takes)));
    for (const answer of answers) if (answer.ok) taken.add(answer.holdId);
    console.log(String(answers.filter(({ ok }) => ok).length));
  }
  if (what === 'settle') {
    const mine = ids.filter((id) => taken.has(id));
    await Promise.all(mine.map(async (id) => store.settle(id, takes)));
    console.log(String(mine.length));
  }
}
await store.close();
