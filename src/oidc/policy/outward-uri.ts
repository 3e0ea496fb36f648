// Refuses URIs through which a registered client could make this server call into its own network (server-side request forgery).
import { BlockList, isIP } from 'node:net'

// One list for each family: in a common one the mapped addresses (::ffff:0:0/96) would stand for every IPv4 address.
const inner = { ipv4: new BlockList(), ipv6: new BlockList() }
const ranges: [string, number, 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['::ffff:0:0', 96, 'ipv6'],
  ['64:ff9b::', 32, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]
for (const [prefix, length, family] of ranges) inner[family].addSubnet(prefix, length, family)

/** Of an IP address, as the resolver or the URL parser writes it. */
export function isInnerAddress(address: string): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  return inner[family].check(address, family)
}

const innerNames = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private)$/

/** What is wrong with it; names that resolve to an inner address are caught when the engine connects. */
export function outwardUriProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return 'must be an https URL'
  const url = new URL(value)
  // The URL parser has already turned 2130706433, 0x7f.1 and the like into dotted form.
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (url.protocol !== 'https:' || url.username || url.password)
    return 'must be an https URL without user name or password'
  if (url.port !== '' && url.port !== '443') return 'must use the standard https port'
  const family = isIP(host)
  const isInner = family === 0 ? innerNames.test(host) || !host.includes('.') : isInnerAddress(host)
  return isInner ? 'must not point into a private network' : undefined
}
