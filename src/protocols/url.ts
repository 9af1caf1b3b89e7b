/** Addresses of calls. */

/** Below a base, which may have a query of its own; a parameter of `query` stands in for one of the same name there. */
export function addressOf(baseUrl: string, path: string, query: Readonly<Record<string, string>> = {}): string {
  const [base = '', given = ''] = baseUrl.split('?', 2);
  const all = new URLSearchParams(given);
  for (const [name, value] of Object.entries(query)) all.set(name, value);
  const end = all.size > 0 ? `?${all.toString()}` : '';
  return `${base.replace(/\/$/, '')}${path}${end}`;
}
