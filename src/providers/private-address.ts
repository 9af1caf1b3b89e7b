/** Which addresses belong to the public internet. */
import { BlockList, isIP } from 'node:net';

/**
 * Ranges that are not, or not for us: IANA's registries of special-purpose addresses (RFC 6890 and after), multicast, and
 * addresses at which clouds keep secrets of a machine. Translated and tunnelled ranges are refused whole: the IPv4 address
 * inside may be any.
 */
const NOT_PUBLIC = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8',
  '100.64.0.0/10', // behind a provider's translation; Alibaba's metadata
  '127.0.0.0/8',
  '168.63.129.16/32', // Azure's own services, inside a public range
  '169.254.0.0/16', // link-local; metadata of most clouds
  '172.16.0.0/12',
  '192.0.0.0/24', // protocol assignments; Oracle's metadata
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '2001::/23', // protocol assignments, Teredo
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
];

/** All of IPv6 that is given out as global unicast. Mapped, translated, local and multicast addresses are outside of it. */
const GLOBAL_UNICAST = ['2000::/3'];

const notPublic = listOf(NOT_PUBLIC);
const globalUnicast = listOf(GLOBAL_UNICAST);

/** Is this an IPv4 or IPv6 address (no name, no brackets, no zone) of the public internet? */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !notPublic.check(address, 'ipv4');
  if (version !== 6 || address.includes('%')) return false;
  return globalUnicast.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = '', bits] = range.split('/');
    list.addSubnet(net, Number(bits), net.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
