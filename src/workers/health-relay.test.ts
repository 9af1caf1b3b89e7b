import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HealthChange } from '../gateway/ports.ts';
import { createHealthRelay } from './health-relay.ts';

const open = (key: string, forMs: number): HealthChange => ({ key, state: 'open', forMs, reason: 'down' });
const closed = (key: string): HealthChange => ({ key, state: 'closed', forMs: 0, reason: 'up' });

test('health relay: what one tells all others hear, and who comes later hears what rests still, for as long as it does', () => {
  let now = 0;
  const relay = createHealthRelay(() => now);
  const heard: [string, HealthChange][] = [];
  const join = (name: string) => relay.join((change) => void heard.push([name, change]));
  const [one, two] = [join('one'), join('two')];
  one.publish(open('a', 1000));
  two.publish(open('b', 500));
  assert.deepEqual(heard.splice(0), [
    ['two', open('a', 1000)],
    ['one', open('b', 500)],
  ]);
  one.publish(open('c', 1000));
  two.publish(closed('c'));
  heard.length = 0;
  now = 600;
  const three = join('three');
  assert.deepEqual(heard.splice(0), [['three', open('a', 400)]]);
  two.leave();
  three.publish(closed('a'));
  assert.deepEqual(heard.splice(0), [['one', closed('a')]]);
});
