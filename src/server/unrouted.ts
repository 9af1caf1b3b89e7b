/** Answers where no route fits: unknown paths, wrong methods, and what browsers ask before they call. */
import { GatewayError } from '../core/error.ts';
import { answer, answerError, errorAnswer, noteError } from './answer.ts';
import { preflightHeaders } from './cors.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './routes/route.ts';

/** Answers an exchange that the router had no handler for. */
export function unroutedHandler(routes: readonly Route[]): (exchange: Exchange) => void {
  const methodsAt = methodTable(routes);
  return (exchange) => {
    const settings = exchange.service.server;
    const { method = '', url = '/', headers } = exchange.request;
    const path = plainPath(url);
    const methods = methodsAt(path);
    exchange.facts.route = '(none)';
    if (methods.length === 0) {
      const message = `There is nothing at ${method} ${path.slice(0, 200)}. The API is at /v1, its reference at /docs.`;
      return answerError(exchange, settings, new GatewayError('unknown_url', message));
    }
    const allow = [...methods, 'OPTIONS'].join(', ');
    if (method === 'OPTIONS') return answer(exchange, settings, { status: 204, headers: { allow, ...preflightHeaders(headers, methods) } });
    const message = `${method} is not possible at ${path.slice(0, 200)}: use ${methods.join(' or ')}.`;
    const refused = errorAnswer(noteError(exchange, new GatewayError('method_not_allowed', message)));
    answer(exchange, settings, { ...refused, headers: { ...refused.headers, allow } });
  };
}

/** As the router sees it: no query, no doubled slashes, none at the end. */
function plainPath(url: string): string {
  const [path = '/'] = url.split(/[?#]/, 1);
  return path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
}

function methodTable(routes: readonly Route[]): (path: string) => readonly string[] {
  const patterns = routes.flatMap(({ method, paths }) =>
    paths.map((path) => ({ path, methods: method === 'GET' ? ['GET', 'HEAD'] : [method] })),
  );
  return (path) => [...new Set(patterns.filter((one) => fits(one.path, path)).flatMap(({ methods }) => methods))];
}

function fits(pattern: string, path: string): boolean {
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1));
  const [parts, given] = [pattern.split('/'), path.split('/')];
  return parts.length === given.length && parts.every((part, at) => part === given[at] || (part.startsWith(':') && given[at] !== ''));
}
