/** Who may read the metrics: whoever has their key, or, without one, this machine alone. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isLocalOrigin, isLoopback } from '../config/loopback.ts';
import { GatewayError } from '../core/error.ts';
import { presentedKey } from './auth.ts';
import type { ClientRequest } from './exchange.ts';

export interface MetricsAccess {
  readonly keySha256: string | undefined;
  /** Where the metrics are listened for. */
  readonly host: string;
}

/** What is wrong with a request for the metrics; undefined where nothing is. `allowedHosts`: names beside localhost. */
export type MetricsGuard = (request: ClientRequest, allowedHosts: readonly string[]) => GatewayError | undefined;

const HOW = 'Send the key of the setting metrics.key in the Authorization header: "Authorization: Bearer METRICS_KEY".';

export function createMetricsGuard({ keySha256, host }: MetricsAccess): MetricsGuard {
  if (keySha256 !== undefined) return keyGuard(Buffer.from(keySha256, 'hex'));
  if (isLoopback(host)) return refuseForeign;
  return () =>
    new GatewayError(
      'no_key',
      `The metrics of a server that other machines can reach need a key. Set metrics.key, or metrics.port. ${HOW}`,
    );
}

function keyGuard(expected: Buffer): MetricsGuard {
  return ({ headers }) => {
    const key = presentedKey(headers);
    if (key === undefined) return new GatewayError('no_key', `The metrics need a key of their own. ${HOW}`);
    const hash = createHash('sha256').update(key, 'utf8').digest();
    if (timingSafeEqual(hash, expected)) return undefined;
    return new GatewayError('invalid_api_key', `This is not the key of the metrics. ${HOW}`);
  };
}

/**
 * A web page must not read them by way of the browser on this machine: not with a name of its own that leads here (DNS
 * rebinding), nor from another origin.
 */
const refuseForeign: MetricsGuard = ({ headers: { host, origin } }, allowedHosts) => {
  const name = host?.replace(/:\d*$/, '').toLowerCase();
  if (name !== undefined && !isLoopback(name) && !allowedHosts.some((one) => one.toLowerCase() === name)) {
    const shown = JSON.stringify(name.slice(0, 100));
    return new GatewayError(
      'bad_request',
      `The metrics are shown under localhost only, not under the host name ${shown}. Name it in server.allowedHosts, or set metrics.key.`,
    );
  }
  if (origin === undefined || isLocalOrigin(origin)) return undefined;
  return new GatewayError('origin_not_allowed', 'The metrics are not for web pages of other origins. Set metrics.key.');
};
