import { isIPv4, isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * The bare IP address of a client, as Fastify's `trustProxy` sees it; undefined if there is none: on a Unix socket, for an
 * injected request, and after the client has left. Some proxies (Azure's, for one) write a port behind the address.
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

/** Whom an address belongs to: an IPv6 client has a network of 64 bits to itself (RFC 6177), an IPv4 client one address. */
export function networkOf(ip: string): string {
  const address = ip.split('%')[0] as string
  if (isIPv4(address) || !isIPv6(address)) return address
  const groups = groupsOf(address)
  // An IPv4 address in an IPv6 one (RFC 4291, 2.5.5.2).
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
  // WHATWG's URL parser writes every IPv6 address in one way, without an IPv4 address at its end.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const front = parseGroups(head)
  const back = parseGroups(tail)
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back]
}

function parseGroups(part = ''): number[] {
  return part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
}
