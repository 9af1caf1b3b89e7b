/** Preloaded into a process, has it believe on SIGUSR2 that 57 seconds more have passed: nobody waits for a minute's window to end. */
import { writeSync } from 'node:fs';

const AHEAD_MS = 57_000;
const [monotonic, wall] = [performance.now.bind(performance), Date.now];
let ahead = 0;

performance.now = () => monotonic() + ahead;
Date.now = () => wall() + ahead;
process.on('SIGUSR2', () => {
  ahead += AHEAD_MS;
  // a line of the log, for those who wait for it
  writeSync(1, '{"msg":"clock ahead"}\n');
});
