/** The checks that need no body, in the contract's order. */
import { GatewayError } from '../core/error.ts';
import type { ApiKey } from '../config/keys.ts';
import { checkHost, createAuthenticator } from './auth.ts';
import type { Authenticate } from './auth.ts';
import { allowsOrigin } from './cors.ts';
import { checkMedia } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './routes/route.ts';

export interface Gate {
  /** Is the request meant for this server at all? */
  refuseHost(exchange: Exchange): GatewayError | undefined;
  /** Everything before the body; notes who asks. */
  refuse(route: Route, exchange: Exchange): GatewayError | undefined;
}

export function createGate(isDraining: () => boolean): Gate {
  const authenticators = new WeakMap<readonly ApiKey[], Authenticate>();
  const authenticatorOf = (keys: readonly ApiKey[]): Authenticate => {
    const known = authenticators.get(keys);
    if (known) return known;
    const made = createAuthenticator(keys);
    authenticators.set(keys, made);
    return made;
  };

  const refuseHost = ({ request: { headers, httpVersion }, service }: Exchange): GatewayError | undefined => {
    const { host } = headers;
    if (host !== undefined) return service.keys.length === 0 ? checkHost(host, service.server.allowedHosts) : undefined;
    // HTTP/1.0 knows requests without it; no browser sends them
    return httpVersion === '1.0' ? undefined : new GatewayError('bad_request', 'The Host header is missing.');
  };

  return {
    refuseHost,
    refuse(route, exchange) {
      const { request, facts, service } = exchange;
      const misled = refuseHost(exchange);
      if (misled || route.access === 'open') return misled;
      const { origin } = request.headers;
      // CORS only keeps a page from reading the answer; without a key nothing else would keep it from asking.
      if (service.keys.length === 0 && origin !== undefined && !allowsOrigin(origin, service.server.corsOrigins)) {
        return new GatewayError(
          'origin_not_allowed',
          `This server has no API keys and answers pages of this machine only, not ${JSON.stringify(origin.slice(0, 100))}. Name the origin in server.cors.origins, or set a key.`,
        );
      }
      if (isDraining()) return new GatewayError('overloaded', 'The server is shutting down.');
      const principal = authenticatorOf(service.keys)(request.headers);
      if (principal instanceof GatewayError) return principal;
      facts.principal = principal;
      return route.method === 'POST' ? checkMedia(request.headers) : undefined;
    },
  };
}
