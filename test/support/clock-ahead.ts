/**
 * Preloaded into a process, has it believe what is told of its clock by SIGUSR2, one after the other, so that a window of a minute ends
 * when a test says so, however busy the machine is: that time stands still, that 59 seconds have passed, that another one has and time
 * goes on.
 */
import { writeSync } from 'node:fs';

const STEPS = [
  { msg: 'clock stands', byMs: 0, stands: true },
  { msg: 'clock ahead', byMs: 59_000, stands: true },
  { msg: 'clock goes on', byMs: 1000, stands: false },
];
const real = { now: performance.now.bind(performance), wall: Date.now };
let ahead = 0;
let stoodAt: number | undefined;

const passed = (): number => (stoodAt ?? real.now()) + ahead;
const between = real.wall() - real.now();
performance.now = passed;
Date.now = () => Math.floor(passed() + between);

process.on('SIGUSR2', () => {
  const step = STEPS.shift();
  if (!step) return;
  const at = passed() + step.byMs;
  const from = real.now();
  stoodAt = step.stands ? from : undefined;
  ahead = at - from;
  // a line of the log, for those who wait for it
  writeSync(1, `${JSON.stringify({ msg: step.msg })}\n`);
});
