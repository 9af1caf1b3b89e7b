/** The checks that need no body, in the contract's order. */
import type { ApiKey } from '../config/keys.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import type { Directory } from '../gateway/directory.ts';
import { checkHost, createAuthenticator, refuseAdministration } from './auth.ts';
import type { Authenticate } from './auth.ts';
import { checkMedia } from './body.ts';
import { clientAddress } from './client-address.ts';
import { allowsOrigin } from './cors.ts';
import type { Exchange } from './exchange.ts';
import type { Service } from './parts.ts';
import type { Route } from './routes/route.ts';

export interface Gate {
  /** Is the request meant for this server at all? */
  refuseHost(exchange: Exchange): GatewayError | undefined;
  /** Everything before the body; notes who asks. At once, but for a key that is not in memory. Does not reject. */
  refuse(route: Route, exchange: Exchange): Soon<GatewayError | undefined>;
}

export interface GateParts {
  readonly isDraining: () => boolean;
  readonly directory: Directory | undefined;
}

export function createGate({ isDraining, directory }: GateParts): Gate {
  const authenticators = new WeakMap<readonly ApiKey[], Authenticate>();
  const authenticatorOf = ({ keys, server: { requireKey } }: Service): Authenticate => {
    // a list of keys belongs to one configuration
    const known = authenticators.get(keys);
    if (known) return known;
    const made = createAuthenticator({ keys, requireKey, directory, clock: () => Date.now() });
    authenticators.set(keys, made);
    return made;
  };

  const refuseHost = ({ request: { headers, httpVersion }, service }: Exchange): GatewayError | undefined => {
    const { host } = headers;
    if (host !== undefined) return service.server.requireKey ? undefined : checkHost(host, service.server.allowedHosts);
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
      // CORS only keeps a page from reading the answer; where no key is needed nothing else would keep it from asking.
      if (!service.server.requireKey && origin !== undefined && !allowsOrigin(origin, service.server.corsOrigins)) {
        return new GatewayError(
          'origin_not_allowed',
          `This server has no API keys and answers pages of this machine only, not ${JSON.stringify(origin.slice(0, 100))}. Name the origin in server.cors.origins, or set a key.`,
        );
      }
      if (isDraining()) return new GatewayError('overloaded', 'The server is shutting down.');
      const administers = route.access === 'admin';
      const admit = (principal: Awaited<ReturnType<Authenticate>>): GatewayError | undefined => {
        if (principal instanceof GatewayError) return principal;
        facts.principal = principal;
        const refusal = administers ? refuseAdministration(principal) : undefined;
        if (refusal) return refusal;
        return route.method === 'GET' || route.method === 'DELETE' ? undefined : checkMedia(request.headers);
      };
      const address = clientAddress(request, service.server.trustedProxies);
      const principal = authenticatorOf(service)({ headers: request.headers, method: request.method ?? '', address, administers });
      return principal instanceof Promise ? principal.then(admit, toGatewayError) : admit(principal);
    },
  };
}
