/** How the command line writes what a key may do. */
import type { Budget, BudgetPeriod, Limits } from '../gateway/accounts.ts';
import { nanosOfDollars } from '../gateway/dollars.ts';
import { UsageError } from './args.ts';

const LIMITS = {
  'requests-per-minute': 'requestsPerMinute',
  'requests-per-day': 'requestsPerDay',
  'tokens-per-minute': 'tokensPerMinute',
  'tokens-per-day': 'tokensPerDay',
  concurrent: 'concurrent',
} as const satisfies Record<string, keyof Limits>;

const PERIODS: readonly BudgetPeriod[] = ['day', 'week', 'month', 'total'];

/** `requests-per-minute=60,concurrent=4` */
export function limitsFrom(text: string): Limits {
  const limits = pairs('limits', text).map(([name, value]) => {
    const field = Object.hasOwn(LIMITS, name) ? LIMITS[name as keyof typeof LIMITS] : undefined;
    if (!field) throw new UsageError(`--limits knows ${Object.keys(LIMITS).join(', ')}, not ${JSON.stringify(name)}`);
    if (!/^[1-9]\d{0,14}$/.test(value))
      throw new UsageError(`--limits: ${name} must be a whole number of at least 1, not ${JSON.stringify(value)}`);
    return [field, Number(value)] as const;
  });
  return Object.fromEntries(limits);
}

/** `month=25,day=2.50`, in dollars. */
export function budgetsFrom(text: string): readonly Budget[] {
  return pairs('budget', text).map(([name, value]) => {
    const period = PERIODS.find((one) => one === name);
    if (!period) throw new UsageError(`--budget knows ${PERIODS.join(', ')}, not ${JSON.stringify(name)}`);
    const nanos = nanosOfDollars(value);
    if (nanos === undefined) throw new UsageError(`--budget: ${name} must be dollars such as 25 or 2.50, not ${JSON.stringify(value)}`);
    return { period, nanos };
  });
}

function pairs(flag: string, text: string): readonly (readonly [name: string, value: string])[] {
  return listFrom(text).map((pair) => {
    const [name = '', value, ...more] = pair.split('=');
    if (value === undefined || more.length > 0)
      throw new UsageError(`--${flag} is written as NAME=VALUE,NAME=VALUE, not ${JSON.stringify(pair)}`);
    return [name.trim(), value.trim()] as const;
  });
}

/** `a,b` */
export function listFrom(text: string): readonly string[] {
  return text.split(',').flatMap((item) => item.trim() || []);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90s`, `30m`, `24h`, `7d`; undefined for what is none. */
export function spanFrom(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (UNITS[unit] ?? 0);
}

/** A time to come: a span from now, or a date such as `2027-01-31` (its beginning in UTC) or `2027-01-31T12:00Z`. */
export function timeFrom(flag: string, text: string, now: number): number {
  const span = spanFrom(text);
  if (span !== undefined) return now + span;
  const time = /^\d{4}-\d{2}-\d{2}(T.*(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError(`--${flag} must be a span such as 12h or 90d, or a date such as 2027-01-31, not ${JSON.stringify(text)}`);
}
