import { isIPv4, isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * The IP address of a client as Fastify's `trustProxy` determines it. Undefined on a Unix socket, for an injected request, and
 * after the client has left. Some proxies (such as Azure's) append a port, which is removed.
 */
export function addressOf(request: FastifyRequest): string | undefined {
  const ip = request.ip as string | undefined
  return ip === undefined || ip === '' ? undefined : withoutPort(ip)
}

function withoutPort(ip: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(ip)?.[1]
  if (bracketed !== undefined) return bracketed
  return /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(ip)?.[1] ?? ip
}

/** The network that belongs to one client: one IPv4 address, or an IPv6 network of 64 bits (RFC 6177). */
export function networkOf(ip: string): string {
  const address = ip.split('%')[0] as string
  if (isIPv4(address) || !isIPv6(address)) return address
  const groups = groupsOf(address)
  // An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2).
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [groups[6] as number, groups[7] as number].flatMap((group) => [group >> 8, group & 0xff]).join('.')
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  // The WHATWG URL parser normalizes IPv6 addresses, and writes an IPv4 address at the end as two groups.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const front = parseGroups(head)
  const back = parseGroups(tail)
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back]
}

function parseGroups(part = ''): number[] {
  return part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
}
