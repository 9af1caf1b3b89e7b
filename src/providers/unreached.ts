/** Failures of the network in words: which host, what happened, never what was sent. */
import { GatewayError } from '../core/error.ts';

export interface Reached {
  /** With the port, where the address has one. */
  readonly host: string;
  readonly connectMs: number;
  readonly headersMs: number;
  readonly idleMs: number;
}

/** Any failure below HTTP as a GatewayError: `upstream_timeout`, or `upstream`;
 * `internal` where our own request was no HTTP. The cause is kept for the log. */
export function notReached(cause: unknown, { host, connectMs, headersMs, idleMs }: Reached): GatewayError {
  const code = codeOf(cause);
  const late = (message: string): GatewayError => new GatewayError('upstream_timeout', `${host} ${message}`, { cause });
  const broken = (message: string): GatewayError => new GatewayError('upstream', `${host} ${message}`, { cause });
  // codes that begin with UND_ERR are undici's, which goes by way of proxies
  switch (code) {
    case 'LATE_HEAD':
    case 'UND_ERR_HEADERS_TIMEOUT':
      return late(`did not begin to answer within ${seconds(headersMs)}.`);
    case 'LATE_BODY':
    case 'UND_ERR_BODY_TIMEOUT':
      return late(`stopped in the middle of its answer and sent nothing for ${seconds(idleMs)}.`);
    case 'LATE_CONNECTION':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return late(connectMs > 0 ? `could not be connected to within ${seconds(connectMs)}.` : 'could not be connected to.');
    case 'ECONNREFUSED':
      return broken('refused the connection.');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return broken('could not be found: its name has no address.');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return broken('cannot be reached from here.');
    case 'CUT':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return broken('closed the connection before its answer was complete.');
    case 'LONG_HEAD':
    case 'UND_ERR_HEADERS_OVERFLOW':
      return broken('answered with a head that is too long.');
    case 'NOT_HTTP':
      return broken('answered with something that is not HTTP.');
    case 'OTHER_PROTOCOL':
      return broken('changed to another protocol (101), which was not asked for.');
    case 'CLOSED':
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return new GatewayError('overloaded', 'The server is shutting down.', { cause });
    case 'UNSENDABLE':
    case 'UND_ERR_INVALID_ARG':
      return new GatewayError('internal', `What the server is set up to send to ${host} cannot be sent. Its log says why.`, { cause });
    case 'UND_ERR_PRX_TLS':
    case 'UND_ERR_PRX_CONN':
      return broken('could not be reached: the HTTP proxy that the environment names did not let us through.');
    default:
  }
  if (code.startsWith('HPE_')) return broken('answered with something that is not HTTP.');
  if (/TLS|SSL|CERT|SIGNATURE|ALTNAME|CRL/.test(code)) return broken(`could not be reached over TLS (${code}).`);
  if (cause instanceof Error && /proxy/i.test(cause.message)) {
    // of undici's messages about proxies, none holds more than a status
    return broken(`could not be reached through the HTTP proxy that the environment names: ${cause.message}.`);
  }
  return broken(code === '' ? 'could not be reached.' : `could not be reached (${code}).`);
}

/** `ECONNREFUSED` and the like; of an error that gathers several (an address family each), the first one's. */
function codeOf(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  if (cause instanceof AggregateError) return codeOf(cause.errors[0]);
  return '';
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
