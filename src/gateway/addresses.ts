/** Lists of addresses and CIDR ranges, IPv4 and IPv6. */
import { BlockList, isIP } from 'node:net';
import { GatewayError } from '../core/error.ts';

/** `::ffff:` and an IPv4 address, however the four bytes are written. */
const MAPPED = /^(?:0{1,4}:){5}ffff:|^::ffff:(?:0{1,4}:)?/i;
const BITS = { 4: 32, 6: 128 } as const;
/** Lists that were read already: each key has the same one for every request. */
const MOST_READ = 1000;
const read = new Map<string, BlockList>();

/** Whether a key with this list may be used from an address: every one may be where the list is empty. Throws as `isWithin` does. */
export function allowsAddress(list: readonly string[], address: string): boolean {
  return list.length === 0 || isWithin(address, list);
}

/**
 * Whether an address is one of the list or in one of its ranges. An IPv4 address that came as an IPv6 one
 * (`::ffff:192.0.2.7`) is the IPv4 one. What is no address is in no list. Throws a `GatewayError` of kind `invalid_value`
 * where an entry of the list is wrong.
 */
export function isWithin(address: string, list: readonly string[]): boolean {
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version === 0) return false;
  return blockListOf(list).check(plain, version === 4 ? 'ipv4' : 'ipv6');
}

/** What is wrong with an entry of a list, for people; undefined where nothing is. */
export function addressProblem(entry: string): string | undefined {
  const range = rangeOf(entry);
  return typeof range === 'string' ? range : undefined;
}

/** Throws a `GatewayError` of kind `invalid_value` that says which entry is wrong, and how. */
export function checkAddresses(list: readonly string[], param: string): void {
  for (const [index, entry] of list.entries()) goodRange(entry, `${param}[${index}]`);
}

interface Range {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly bits: number;
}

function goodRange(entry: string, param: string): Range {
  const range = rangeOf(entry);
  if (typeof range === 'string') throw new GatewayError('invalid_value', `Invalid '${param}': ${range}`, { param });
  return range;
}

/** Or what is wrong with it. */
function rangeOf(entry: string): Range | string {
  const bad = (why: string): string =>
    `'${entry}' ${why}. Give an address, as 192.0.2.7 or 2001:db8::7, or a range, as 192.0.2.0/24 or 2001:db8::/32.`;
  const [address = '', length, ...more] = entry.split('/');
  const plain = plainAddress(address);
  const version = isIP(plain);
  if (version !== 4 && version !== 6) return bad(`has no IP address${length === undefined ? '' : ' before its length'}`);
  if (plain.includes('%')) return bad('names a network interface');
  if (more.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return bad('has no whole number after the slash');
  const mapped = version === 4 && address.includes(':') ? 96 : 0;
  const most = BITS[version] + mapped;
  const bits = length === undefined ? most : Number(length);
  if (bits < mapped || bits > most) return bad(`has a length that is not between ${mapped} and ${most}`);
  return { address: plain, family: version === 4 ? 'ipv4' : 'ipv6', bits: bits - mapped };
}

function blockListOf(list: readonly string[]): BlockList {
  const name = `${list.length} ${list.join(' ')}`;
  const before = read.get(name);
  if (before) return before;
  const made = new BlockList();
  for (const [index, entry] of list.entries()) {
    const { address, family, bits } = goodRange(entry, `addresses[${index}]`);
    made.addSubnet(address, bits, family);
  }
  if (read.size >= MOST_READ) read.clear();
  read.set(name, made);
  return made;
}

/** The IPv4 address in a mapped one, all others as they are, without the brackets of URLs. */
function plainAddress(address: string): string {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  const rest = MAPPED.test(bare) ? bare.replace(MAPPED, '') : '';
  if (isIP(rest) === 4) return rest;
  const halves = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(rest);
  if (!halves || isIP(bare) !== 6) return bare;
  const number = Number.parseInt(halves[1] ?? '', 16) * 65_536 + Number.parseInt(halves[2] ?? '', 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
