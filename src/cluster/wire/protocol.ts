import secureJson from 'secure-json-parse'
import { isConnectionId } from '../../internal/connection-id.ts'
import { MAX_TARGETS } from '../../internal/targets.ts'
import { isRoomName } from '../../internal/room-name.ts'
import { isPosition, MAX_LAST, type Position } from '../../rpc/position.ts'

// What the nodes of a cluster send each other besides broadcasts, as JSON in an envelope of the kind `Node`:
//
// - a notice tells something and is not answered
// - a request has an `id` and is answered by every node that gets it
// - an answer comes in one or more parts, with the `id` of its request
//
// docs/cluster-protocol.md says on which channels they travel.

/** The presence of one connection in a room. */
export interface PresenceEntry {
  /** The id of the connection. */
  id: string
  /** Connections with the same key are one person. */
  key: string
  /** What others may know of that person. */
  info: unknown
  /** When the entry was set, by the logical clock of presence. */
  since: number
}

/** The heartbeat of a node. */
export interface AliveNotice {
  type: 'alive'
  /** After how many milliseconds of silence this node counts as dead. */
  lease: number
  /** The node has just come or come back: the others introduce themselves. */
  isNew?: boolean
  /** The digest of what the node has said about presence. */
  presence?: string
}

/** The node leaves the cluster. */
export interface ByeNotice {
  type: 'bye'
}

/** The application sends something to the other servers: `hub.cluster.send(name, data)`. */
export interface ServerNotice {
  type: 'message'
  name: string
  data?: unknown
}

/** A connection of another node joins or leaves a room: `hub.join(id, room)`. */
export interface MembershipNotice<Type extends 'join' | 'leave' = 'join' | 'leave'> {
  type: Type
  id: string
  room: string
  /** The options of `hub.join`. */
  since?: Position | undefined
  last?: number | undefined
  resume?: boolean | undefined
}

/** Connections of the sender are present in a room, or what is known of them has changed. */
export interface PresentNotice {
  type: 'present'
  entries: PresenceEntry[]
}

/** Connections of the sender are no longer present in a room. */
export interface AbsentNotice {
  type: 'absent'
  ids: string[]
}

/** A part of all that the sender has in a room. It replaces what the sender said before once all parts are there. */
export interface SnapshotNotice {
  type: 'snapshot'
  isFirst: boolean
  isLast: boolean
  entries: PresenceEntry[]
}

/** The history of a room was cleared. */
export interface ClearedNotice {
  type: 'cleared'
}

/** What a node says in the channel of a room about presence there. */
export type RoomNotice = PresentNotice | AbsentNotice | SnapshotNotice

/** The sender has nobody in these rooms. */
export interface EmptyNotice {
  type: 'nobody'
  rooms: string[]
}

export type Notice =
  | AliveNotice
  | ByeNotice
  | ServerNotice
  | MembershipNotice<'join'>
  | MembershipNotice<'leave'>
  | RoomNotice
  | ClearedNotice
  | EmptyNotice

/** What a node can ask another about the connections and rooms of its hub. */
export type HubQuestion = { type: 'nodes' } | { type: 'count'; room?: string } | { type: 'rooms' } | NamedQuestion

/** A part of this package asks its counterpart on the other nodes. Who has none answers `null`. */
export interface NamedQuestion {
  type: 'ask'
  name: string
  data?: unknown
}

/** Who is present in these rooms? The other node says so in the channels of the rooms, and then answers in which there is anybody. */
export interface PresenceQuestion {
  type: 'presence'
  rooms: string[]
}

/** The sender holds entries with these hashes; `null` stands for a room that is being told at this moment. What differs is announced again. */
export interface CompareQuestion {
  type: 'compare'
  rooms: string[]
  hashes: (number | null)[]
}

/** How many connections have taken the message whose notes have the id of this request? It was sent on these channels. */
export interface ReachQuestion {
  type: 'reach'
  channels: readonly string[]
}

export type Question = HubQuestion | PresenceQuestion | CompareQuestion | ReachQuestion

export type Request = Question & { id: number }

export interface Answer {
  type: 'answer'
  /** The id of the request. */
  id: number
  part: unknown
  isLast: boolean
}

/** A message of a later version of this package. It shows that its sender is alive, and says nothing else. */
export interface UnknownNotice {
  type: 'unknown'
}

export type NodeMessage = Notice | Request | Answer

/** How many rooms one request can name. */
export const MAX_ROOMS = 500
/** The longest room name, id or key, in UTF-16 units. */
const MAX_NAME = 256
/** The most that may be known of a person, in bytes of JSON. */
export const MAX_INFO = 8 * 1024

export function encodeMessage(message: NodeMessage): Buffer {
  return Buffer.from(JSON.stringify(message))
}

/** The message in a payload, with what is not valid in its lists left out; undefined if it is not a message. Never throws. */
export function decodeMessage(payload: Buffer): NodeMessage | UnknownNotice | undefined {
  try {
    const fields = secureJson.parse(payload.toString()) as Fields | null
    if (typeof fields !== 'object' || typeof fields?.['type'] !== 'string') return undefined
    const { type } = fields
    return Object.hasOwn(READERS, type) ? READERS[type as NodeMessage['type']](fields) : { type: 'unknown' }
  } catch {
    return undefined
  }
}

type Fields = Record<string, unknown>
type Readers = { [Type in NodeMessage['type']]: (fields: Fields) => Extract<NodeMessage, { type: Type }> | undefined }

const READERS: Readers = {
  alive: ({ lease, isNew, presence }) => ({
    type: 'alive',
    lease: Number(lease) || 0,
    isNew: isNew === true,
    ...(typeof presence === 'string' && { presence })
  }),
  bye: () => ({ type: 'bye' }),
  message: ({ name, data }) => (isName(name) ? { type: 'message', name, data } : undefined),
  join: (fields) => readMembership('join', fields),
  leave: (fields) => readMembership('leave', fields),
  present: ({ entries }) => ({ type: 'present', entries: listOf(entries).filter(isEntry) }),
  absent: ({ ids }) => ({ type: 'absent', ids: listOf(ids).filter(isName) }),
  snapshot: ({ isFirst, isLast, entries }) => ({
    type: 'snapshot',
    isFirst: isFirst === true,
    isLast: isLast === true,
    entries: listOf(entries).filter(isEntry)
  }),
  cleared: () => ({ type: 'cleared' }),
  nobody: ({ rooms }) => ({ type: 'nobody', rooms: readRooms(rooms) }),
  nodes: ({ id }) => (isRequestId(id) ? { type: 'nodes', id } : undefined),
  count: ({ id, room }) => {
    if (!isRequestId(id) || !(room === undefined || isName(room))) return undefined
    return room === undefined ? { type: 'count', id } : { type: 'count', id, room }
  },
  rooms: ({ id }) => (isRequestId(id) ? { type: 'rooms', id } : undefined),
  ask: ({ id, name, data }) => (isRequestId(id) && isName(name) ? { type: 'ask', id, name, data } : undefined),
  presence: ({ id, rooms }) => (isRequestId(id) ? { type: 'presence', id, rooms: readRooms(rooms) } : undefined),
  compare: ({ id, rooms, hashes }) =>
    isRequestId(id) ? { type: 'compare', id, ...readHeld(rooms, hashes) } : undefined,
  reach: ({ id, channels }) => (isRequestId(id) ? { type: 'reach', id, channels: readChannels(channels) } : undefined),
  answer: ({ id, part, isLast }) =>
    isRequestId(id) ? { type: 'answer', id, part, isLast: isLast === true } : undefined
}

function readMembership<Type extends 'join' | 'leave'>(
  type: Type,
  { id, room, since, last, resume }: Fields
): MembershipNotice<Type> | undefined {
  if (!isConnectionId(id) || typeof room !== 'string' || !isRoomName(room)) return undefined
  return {
    type,
    id,
    room,
    ...(isPosition(since) && { since: { epoch: since.epoch, offset: since.offset } }),
    ...(isRequestId(last) && { last: Math.min(Math.max(0, last), MAX_LAST) }),
    ...(typeof resume === 'boolean' && { resume })
  }
}

/** The room names in a list, each once, up to as many as this node would send. */
export function readRooms(rooms: unknown): string[] {
  return [...new Set(listOf(rooms).slice(0, MAX_ROOMS))].filter(isName)
}

function readChannels(channels: unknown): string[] {
  return listOf(channels)
    .slice(0, MAX_TARGETS)
    .filter((name) => typeof name === 'string')
}

/** Rooms with the hash at the same place of the other list. */
function readHeld(rooms: unknown, hashes: unknown): { rooms: string[]; hashes: (number | null)[] } {
  const held = new Map<string, number | null>()
  for (const [i, name] of listOf(rooms).slice(0, MAX_ROOMS).entries()) {
    const hash = listOf(hashes)[i]
    if (isName(name)) held.set(name, hash === null ? null : Number(hash))
  }
  return { rooms: [...held.keys()], hashes: [...held.values()] }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

function isRequestId(id: unknown): id is number {
  return Number.isSafeInteger(id)
}

/** Whether a value can be a room name, an id or a key. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME
}

function isEntry(value: unknown): value is PresenceEntry {
  const { id, key, info, since } = (value ?? {}) as Partial<PresenceEntry>
  return isName(id) && isName(key) && Number.isSafeInteger(since) && isInfo(info)
}

function isInfo(info: unknown): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(info ?? null)) <= MAX_INFO
  } catch {
    // It is nested too deeply for JSON.stringify.
    return false
  }
}
