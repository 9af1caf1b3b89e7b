/** The program of a thread with one connection to a SQLite file. */
import { parentPort, workerData } from 'node:worker_threads';
import { usageAdder } from './add-usage.ts';
import { openConnection } from './connection.ts';
import type { Connection, ConnectionOptions, StatementResult } from './connection.ts';
import type { Answer, Question } from './thread.ts';

if (!parentPort) throw new Error('This is the program of a thread.');
const port = parentPort;

function answer(work: () => StatementResult | undefined): void {
  port.postMessage(answerOf(work));
}

function answerOf(work: () => StatementResult | undefined): Answer {
  try {
    return { ok: true, result: work() };
  } catch (error) {
    const { name, message, code, errcode } = error as Error & { readonly code?: unknown; readonly errcode?: unknown };
    return { ok: false, error: { name, message, code, errcode } };
  }
}

let connection: Connection | undefined;
let addUsage: ((records: readonly string[]) => void) | undefined;

function does(question: Question): StatementResult | undefined {
  if (!connection) throw new Error('The connection to the SQLite file is closed.');
  switch (question.do) {
    case 'run':
      return connection.run(question.sql, question.parameters);
    case 'exec':
      connection.exec(question.sql);
      return undefined;
    case 'rollback':
      connection.rollback();
      return undefined;
    case 'addUsage':
      // the tables are there: their statements can be prepared
      addUsage ??= usageAdder(connection);
      addUsage(question.records);
      return undefined;
    case 'close':
      connection.close();
      connection = undefined;
      addUsage = undefined;
      return undefined;
  }
}

port.on('message', (question: Question) => answer(() => does(question)));
answer(() => {
  connection = openConnection(workerData as ConnectionOptions);
  return undefined;
});
