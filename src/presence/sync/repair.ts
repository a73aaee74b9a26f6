import type { Control } from '../../cluster/host.ts'
import type { ClusterNode } from '../../cluster/node.ts'
import { type Digests, sum, sumsOf } from './digest.ts'
import { chunks, ROOMS } from '../messages.ts'
import type { PresenceRoom } from '../room.ts'

/** How long another node has for an answer at most, in milliseconds. */
const TIMEOUT = 1_000

/** What this node knows of another's digest. */
interface Peer {
  /** The sums of its last heartbeat. */
  said: Int32Array
  /** For each bucket, its sum of the rooms that this node does not watch. */
  readonly elsewhere: Int32Array
  /** Buckets of which more is watched than when it was asked. */
  readonly grown: Set<number>
  /** Buckets that were different at its last heartbeat. */
  readonly doubted: Set<number>
  /** Buckets and rooms that it is to be asked about. */
  readonly buckets: Set<number>
  readonly rooms: Set<string>
  isAsking: boolean
}

type Watched = [name: string, room: PresenceRoom]

/**
 * Finds out what was lost. Each heartbeat carries a digest: for each bucket of rooms, the sum of the hashes of all that its node
 * says there. A node that watches all of these rooms must hold the same sum. One that watches some of them must hold what is left
 * when the sum of the others is taken away, which it has asked for once; as long as nothing changes in the others, that stays
 * true, so that nobody asks anything while all is well.
 *
 * If a bucket differs at two heartbeats in a row, its node is asked about the rooms in it. (At one heartbeat, changes may still
 * be on their way: engines such as a Redis Cluster keep no order between channels.) If a message is missing, its room is asked
 * about at once. The question has the hash of each room; the node announces only those that are different there. Sums depend on
 * no order, on no earlier message and on no state of the other side, so that whatever was lost, twice there or late, one comparison
 * is enough. If the question or the answer is lost, the next heartbeat is different again. There is one question to a node at a time.
 */
export class Repair {
  readonly #node: ClusterNode
  readonly #rooms: ReadonlyMap<string, PresenceRoom>
  readonly #digests: Digests
  readonly #peers = new Map<string, Peer>()

  constructor(node: ClusterNode, rooms: ReadonlyMap<string, PresenceRoom>, digests: Digests) {
    this.#node = node
    this.#rooms = rooms
    this.#digests = digests
  }

  /** Compares the digest of a heartbeat; true if there is something to ask. */
  beat(node: string, digest: unknown): boolean {
    const said = sumsOf(digest)
    if (said === undefined) return false
    const peer = this.#peer(node)
    peer.said = said
    const held = this.#digests.of(node).sums
    for (const [bucket, value] of said.entries()) {
      if (value === sum(held[bucket] as number, peer.elsewhere[bucket] as number)) peer.doubted.delete(bucket)
      else if (peer.doubted.has(bucket)) peer.buckets.add(bucket)
      else peer.doubted.add(bucket)
    }
    return peer.buckets.size > 0
  }

  /** A message of a node is missing: in a room, or one that was for all nodes or for this one. */
  missed(node: string, room: string | undefined): void {
    const peer = this.#peer(node)
    if (room === undefined) this.#doubtAll(peer)
    else if (this.#rooms.has(room)) peer.rooms.add(room)
  }

  /** A node is there of which nothing is known. */
  found(node: string): void {
    const { said, buckets } = this.#peer(node)
    for (const bucket of said.keys()) buckets.add(bucket)
  }

  gone(node: string): void {
    this.#peers.delete(node)
  }

  /** A room is watched from now on. What was elsewhere may be in this room: if it is not heard, it is missing. */
  opened({ bucket }: PresenceRoom): void {
    for (const { elsewhere, grown } of this.#peers.values()) {
      elsewhere[bucket] = 0
      grown.add(bucket)
    }
  }

  /** A room is no longer watched. */
  dropped({ bucket, roster }: PresenceRoom): void {
    for (const node of roster.nodes()) {
      const hash = roster.hashOf(node)
      this.#digests.of(node).add(bucket, -hash)
      const elsewhere = this.#peers.get(node)?.elsewhere
      if (elsewhere !== undefined) elsewhere[bucket] = sum(elsewhere[bucket] as number, hash)
    }
  }

  /** Asks what there is to ask. */
  ask(): void {
    for (const [node, peer] of this.#peers) {
      if (!peer.isAsking && peer.buckets.size + peer.rooms.size > 0) void this.#ask(node, peer)
    }
  }

  async #ask(node: string, peer: Peer): Promise<void> {
    peer.isAsking = true
    const buckets = new Set(peer.buckets)
    const watched = [...this.#rooms].filter(([name, room]) => buckets.has(room.bucket) || peer.rooms.has(name))
    for (const bucket of buckets) peer.doubted.delete(bucket)
    peer.buckets.clear()
    peer.rooms.clear()
    peer.grown.clear()
    this.#trust(peer, buckets, watched)
    const timeout = Math.min(TIMEOUT, this.#node.lease / 4)
    const all = await Promise.all(
      chunks(watched, ROOMS).map((some) => this.#node.ask(this.#question(node, peer, some), timeout, node))
    )
    peer.isAsking = false
    if (all.some(({ missing }) => missing.length > 0)) this.#doubt(peer, watched)
    else
      this.#learn(
        peer,
        buckets,
        all.flatMap(({ answers }) => answers.get(node) ?? [])
      )
    this.ask()
  }

  /** Where this node watches nothing, there is nothing that could be wrong. */
  #trust(peer: Peer, buckets: ReadonlySet<number>, watched: readonly Watched[]): void {
    const asked = new Set(watched.map(([, { bucket }]) => bucket))
    for (const bucket of buckets) if (!asked.has(bucket)) peer.elsewhere[bucket] = peer.said[bucket] as number
  }

  /** These are asked about again if they differ at the next heartbeat. */
  #doubt(peer: Peer, watched: readonly Watched[]): void {
    for (const [, { bucket }] of watched) peer.doubted.add(bucket)
  }

  #doubtAll({ said, doubted }: Peer): void {
    for (const bucket of said.keys()) doubted.add(bucket)
  }

  /** What a node is saying at this moment need not be said again, but it may be that its end is lost. */
  #question(node: string, peer: Peer, watched: readonly Watched[]): Control {
    const late = new Set(watched.filter(([, room]) => room.isHearing(node)))
    this.#doubt(peer, [...late])
    const hashes = watched.map((one) => (late.has(one) ? null : one[1].roster.hashOf(node)))
    return { type: 'presence', rooms: watched.map(([name]) => name), hashes }
  }

  /** The node has said what its sums are, and what these rooms have of them: the rest is elsewhere. */
  #learn({ elsewhere, grown }: Peer, buckets: ReadonlySet<number>, parts: readonly unknown[]): void {
    const rest = new Map<number, number>()
    const listed = new Map<number, number>()
    for (const [bucket, said, here] of parts.flat().filter(isSum)) {
      listed.set(bucket, sum(listed.get(bucket) ?? 0, here))
      rest.set(bucket, sum(said, -(listed.get(bucket) as number)))
    }
    for (const [bucket, value] of rest) if (buckets.has(bucket) && !grown.has(bucket)) elsewhere[bucket] = value
  }

  #peer(node: string): Peer {
    let peer = this.#peers.get(node)
    if (peer === undefined) {
      const [said, elsewhere] = [sumsOf('') as Int32Array, sumsOf('') as Int32Array]
      peer = {
        said,
        elsewhere,
        grown: new Set(),
        doubted: new Set(),
        buckets: new Set(),
        rooms: new Set(),
        isAsking: false
      }
      this.#peers.set(node, peer)
    }
    return peer
  }
}

function isSum(part: unknown): part is [bucket: number, said: number, listed: number] {
  return Array.isArray(part) && part.length === 3 && part.every((value) => Number.isInteger(value))
}
