// Decides what counts as the same: spellings of one name, addresses of one subscriber, names of one mailbox.
import { isIPv6 } from 'node:net'

/** Whatever the database's lower() takes for the same name must count as the same: accents go too. */
export const plainName = (name: string): string => name.trim().toLowerCase().normalize('NFKD').replace(/\p{M}/gu, '')

/** Most providers deliver `anna+anything@` to `anna@` (RFC 5233). */
export const mailboxOf = (email: string): string => plainName(email).replace(/\+[^@]*(?=@)/, '')

/** An IPv4 address, or the /64 that one subscriber of IPv6 has for himself. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  const groups = [...first, ...Array(8 - first.length - last.length).fill('0'), ...last]
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return groups.slice(0, 4).join(':')
  return groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join('.')
}
