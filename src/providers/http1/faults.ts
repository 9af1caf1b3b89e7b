/** What can go wrong with a request besides what the system says of its connection. */

export type FaultCode =
  /** No connection in time. */
  | 'LATE_CONNECTION'
  /** No head of an answer in time. */
  | 'LATE_HEAD'
  /** Nothing more of a body in time. */
  | 'LATE_BODY'
  /** The connection was closed before the answer was over. */
  | 'CUT'
  /** The head of the answer does not end. */
  | 'LONG_HEAD'
  /** What came breaks a rule of HTTP/1.1. */
  | 'NOT_HTTP'
  /** The answer is another protocol than HTTP, which nobody asked for. */
  | 'OTHER_PROTOCOL'
  /** The connections were closed from our side. */
  | 'CLOSED'
  /** The request itself would be no HTTP. */
  | 'UNSENDABLE';

export interface Fault extends Error {
  readonly code: FaultCode;
}

export function fault(code: FaultCode, message: string): Fault {
  return Object.assign(new Error(message), { code });
}
