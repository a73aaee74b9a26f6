import type { ClusterNode } from '../../cluster/node.ts'
import { type CompareQuestion, MAX_ROOMS } from '../../cluster/wire/protocol.ts'
import { chunks } from '../../internal/chunks.ts'
import type { PresenceRoom } from '../room.ts'
import { type Digests, sum, sumsOf } from './digest.ts'

/** How long another node has for its answer at most, in milliseconds. */
const TIMEOUT = 1_000

/** What this node knows about the digest of another node. */
interface Peer {
  /** The sums of its last heartbeat. */
  sums: Int32Array
  /** For each bucket, the part of its sum that belongs to rooms that this node does not watch. */
  readonly unwatched: Int32Array
  /** Buckets in which this node has begun to watch a room since it last asked. */
  readonly changedBuckets: Set<number>
  /** Buckets that differed at its last heartbeat. */
  readonly suspects: Set<number>
  /** Buckets and rooms to ask it about. */
  readonly bucketsToAsk: Set<number>
  readonly roomsToAsk: Set<string>
  isAsking: boolean
}

type NamedRoom = [name: string, room: PresenceRoom]

/**
 * Finds and repairs what was lost. Each heartbeat carries a digest: for each bucket of rooms, the sum of the hashes of all that
 * its node says there. A node that watches all rooms of a bucket must hold the same sum. A node that watches some of them must
 * hold the sum without the part of the other rooms, which it asks for once. That part stays true for as long as nothing changes
 * in those rooms, so nobody asks anything while all is well.
 *
 * If a bucket differs at two heartbeats in a row, this node asks about the rooms in it. (At one heartbeat, changes may still be on
 * their way: engines such as a Redis Cluster keep no order between channels.) If a message was lost, this node asks about its room
 * at once. The question has the hash of each room, and the other node announces the rooms that differ.
 *
 * Sums do not depend on an order, on earlier messages or on the state of the other side. So one comparison is enough, whatever was
 * lost, duplicated or late. If the question or its answer is lost, the next heartbeat differs again. There is one question to
 * each node at a time.
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

  /** Compares the digest of a heartbeat with what this node holds. Returns whether there is something to ask. */
  compare(node: string, digest: string | undefined): boolean {
    const sums = sumsOf(digest)
    if (sums === undefined) return false
    const peer = this.#peer(node)
    peer.sums = sums
    const held = this.#digests.of(node).sums
    for (const [bucket, value] of sums.entries()) {
      if (value === sum(held[bucket] as number, peer.unwatched[bucket] as number)) peer.suspects.delete(bucket)
      else if (peer.suspects.has(bucket)) peer.bucketsToAsk.add(bucket)
      else peer.suspects.add(bucket)
    }
    return peer.bucketsToAsk.size > 0
  }

  /** A message of a node was lost: in a room, or in a channel that belongs to no room. */
  onGap(node: string, room: string | undefined): void {
    const peer = this.#peer(node)
    if (room === undefined) for (const bucket of peer.sums.keys()) peer.suspects.add(bucket)
    else if (this.#rooms.has(room)) peer.roomsToAsk.add(room)
  }

  /** Nothing is known about this node yet. */
  onNodeFound(node: string): void {
    const { sums, bucketsToAsk } = this.#peer(node)
    for (const bucket of sums.keys()) bucketsToAsk.add(bucket)
  }

  onNodeGone(node: string): void {
    this.#peers.delete(node)
  }

  /** This node begins to watch a room. What counted as unwatched may be in this room, so its loss would not be noticed. */
  onRoomWatched({ bucket }: PresenceRoom): void {
    for (const { unwatched, changedBuckets } of this.#peers.values()) {
      unwatched[bucket] = 0
      changedBuckets.add(bucket)
    }
  }

  /** This node no longer watches a room. */
  onRoomUnwatched({ bucket, roster }: PresenceRoom): void {
    for (const node of roster.nodes()) {
      const hash = roster.hashOf(node)
      this.#digests.of(node).add(bucket, -hash)
      const unwatched = this.#peers.get(node)?.unwatched
      if (unwatched !== undefined) unwatched[bucket] = sum(unwatched[bucket] as number, hash)
    }
  }

  /** Sends the questions that there are. */
  ask(): void {
    for (const [node, peer] of this.#peers) {
      if (!peer.isAsking && peer.bucketsToAsk.size + peer.roomsToAsk.size > 0) void this.#ask(node, peer)
    }
  }

  async #ask(node: string, peer: Peer): Promise<void> {
    peer.isAsking = true
    const { buckets, rooms } = this.#takeQuestion(peer)
    const timeout = Math.min(TIMEOUT, this.#node.lease / 4)
    const questions = chunks(rooms, MAX_ROOMS).map((part) => this.#question(node, peer, part))
    const results = await Promise.all(questions.map((question) => this.#node.request(question, timeout, node)))
    peer.isAsking = false
    if (results.some(({ missing }) => missing.length > 0)) this.#suspect(peer, rooms)
    else
      this.#learn(
        peer,
        buckets,
        results.flatMap(({ answers }) => answers.get(node) ?? [])
      )
    this.ask()
  }

  /** What to ask about. If this node watches no room of a bucket, nothing in it can be wrong: its sum is unwatched. */
  #takeQuestion(peer: Peer): { buckets: ReadonlySet<number>; rooms: NamedRoom[] } {
    const buckets = new Set(peer.bucketsToAsk)
    const rooms = [...this.#rooms].filter(([name, room]) => buckets.has(room.bucket) || peer.roomsToAsk.has(name))
    const watched = new Set(rooms.map(([, { bucket }]) => bucket))
    for (const bucket of buckets) {
      peer.suspects.delete(bucket)
      if (!watched.has(bucket)) peer.unwatched[bucket] = peer.sums[bucket] as number
    }
    peer.bucketsToAsk.clear()
    peer.roomsToAsk.clear()
    peer.changedBuckets.clear()
    return { buckets, rooms }
  }

  /** A room that the other node is announcing at this moment need not be announced again, but its last part may get lost. */
  #question(node: string, peer: Peer, rooms: readonly NamedRoom[]): CompareQuestion {
    const receiving = new Set(rooms.filter(([, room]) => room.isReceiving(node)))
    this.#suspect(peer, [...receiving])
    const hashes = rooms.map((one) => (receiving.has(one) ? null : one[1].roster.hashOf(node)))
    return { type: 'compare', rooms: rooms.map(([name]) => name), hashes }
  }

  /** Asks about these rooms again if their buckets differ at the next heartbeat. */
  #suspect(peer: Peer, rooms: readonly NamedRoom[]): void {
    for (const [, { bucket }] of rooms) peer.suspects.add(bucket)
  }

  /** The node has answered with its sums, and with the part of them that belongs to the rooms in question. The rest is unwatched. */
  #learn({ unwatched, changedBuckets }: Peer, buckets: ReadonlySet<number>, parts: readonly unknown[]): void {
    const rest = new Map<number, number>()
    const ofRooms = new Map<number, number>()
    for (const [bucket, all, part] of parts.flat().filter(isBucketSum)) {
      ofRooms.set(bucket, sum(ofRooms.get(bucket) ?? 0, part))
      rest.set(bucket, sum(all, -(ofRooms.get(bucket) as number)))
    }
    for (const [bucket, value] of rest)
      if (buckets.has(bucket) && !changedBuckets.has(bucket)) unwatched[bucket] = value
  }

  #peer(node: string): Peer {
    const existing = this.#peers.get(node)
    if (existing !== undefined) return existing
    const peer: Peer = {
      sums: sumsOf('') as Int32Array,
      unwatched: sumsOf('') as Int32Array,
      changedBuckets: new Set(),
      suspects: new Set(),
      bucketsToAsk: new Set(),
      roomsToAsk: new Set(),
      isAsking: false
    }
    this.#peers.set(node, peer)
    return peer
  }
}

/** For one bucket: the sum of all its rooms, and of those in the question. */
function isBucketSum(part: unknown): part is [bucket: number, all: number, ofRooms: number] {
  return Array.isArray(part) && part.length === 3 && part.every((value) => Number.isInteger(value))
}
