/** Where the metrics are served, and to whom. */
import { readKey } from './keys.ts';
import { isLoopback } from './loopback.ts';
import type { MetricsSettings } from './settings.ts';
import type { Given } from './sources.ts';

export interface MetricsInput {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number | undefined;
  /** That of the API. */
  readonly serverPort: number;
  /** The `metrics.key` that was given, if any. */
  readonly key: Given | undefined;
  /** Where `metrics.host` or, without it, the port was given: the place for messages. */
  readonly where: string;
}

/**
 * The checked settings; what is wrong goes to `problems`. A port of its own on an address that other machines reach needs
 * a key, as the server's address does.
 */
export function readMetrics(
  { enabled, host, port, serverPort, key, where }: MetricsInput,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): MetricsSettings {
  const read = key ? readKey(String(key.value), env) : undefined;
  if (key && read && 'problem' in read) problems.push(`${key.where}: metrics.key: ${read.problem}`);
  const keySha256 = read && 'sha256' in read ? read.sha256 : undefined;
  if (enabled && port !== undefined && !key && !isLoopback(host)) {
    problems.push(
      `${where}: metrics.host: "${host}" can be reached from other machines, and no metrics.key is set. ` +
        'Set PARLANCE_METRICS_KEY (or metrics.key in parlance.yaml), or listen on 127.0.0.1.',
    );
  }
  if (enabled && port !== undefined && port !== 0 && port === serverPort) {
    problems.push(`${where}: metrics.port: ${port} is the port of the API. Leave it out: the metrics are at /metrics there.`);
  }
  return { enabled, host, port, keySha256 };
}
