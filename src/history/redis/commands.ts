// The calls of the store as calls of scripts, and the answers of the scripts.

import type { Position } from '../../rpc/position.ts'
import {
  type Appended,
  type AppendOptions,
  type NewMessage,
  newEpoch,
  type Publication,
  type ReadRange,
  type StoredMessage,
  type StoredPart
} from '../store.ts'
import type { RoomKeys } from './keys.ts'
import type { ListedRoom } from './position-batches.ts'
import type { ScriptCall } from './script-calls.ts'
import { SCRIPTS } from './scripts.ts'

/** What `publishesOver` returns: how to publish on the channels of a broker. */
export interface Over {
  readonly command: 'PUBLISH' | 'SPUBLISH'
  readonly prefix: string
}

export function appendCall(
  room: string,
  keys: RoomKeys,
  messages: readonly NewMessage[],
  { size, ttl, known, publish }: AppendOptions
): ScriptCall {
  return {
    script: SCRIPTS.append,
    keys: keys.names,
    args: [
      `${size}`,
      `${ttl}`,
      newEpoch(known?.epoch),
      ...knownArgs(known),
      ...publishArgs(room, publish),
      ...messages.flatMap(({ id, body, head }) => [id, view(body), head === undefined ? '' : view(head)])
    ]
  }
}

export function readCall(keys: RoomKeys, { after, limit, maxBytes, ttl }: ReadRange): ScriptCall {
  return {
    script: SCRIPTS.read,
    keys: keys.names,
    args: [`${ttl}`, newEpoch(), `${after}`, `${limit}`, `${maxBytes}`]
  }
}

export function positionsCall(rooms: readonly ListedRoom[]): ScriptCall {
  return {
    script: SCRIPTS.positions,
    keys: rooms.flatMap(({ keys }) => keys.names),
    args: rooms.flatMap(({ room: { known, ttl } }) => [`${ttl}`, newEpoch(known?.epoch), ...knownArgs(known)])
  }
}

export function clearCall(keys: RoomKeys): ScriptCall {
  return { script: SCRIPTS.clear, keys: keys.names, args: [] }
}

export function readAppended(answer: unknown): Appended[] {
  const [epoch, ...rest] = textsOf(answer) as [string, ...string[]]
  return groupsOf(2, rest).map(([offset, isNew]) => ({ epoch, offset: Number(offset), isNew: isNew === '1' }))
}

export function readPart(answer: unknown): StoredPart {
  const [epoch, offset, ...rest] = answer as [Buffer, Buffer, ...Buffer[]]
  return {
    position: { epoch: epoch.toString(), offset: numberOf(offset) },
    messages: groupsOf(4, rest).map(readMessage)
  }
}

export function readPositions(answer: unknown): Position[] {
  return groupsOf(2, textsOf(answer)).map(([epoch, offset]) => ({ epoch: epoch as string, offset: Number(offset) }))
}

function readMessage(parts: Buffer[]): StoredMessage {
  const [offset, id, time, body] = parts as [Buffer, Buffer, Buffer, Buffer]
  return { offset: numberOf(offset), id: id.toString(), time: numberOf(time), body }
}

function numberOf(text: Buffer): number {
  return Number(text.toString())
}

function textsOf(answer: unknown): string[] {
  return (answer as Buffer[]).map(String)
}

function groupsOf<T>(size: number, parts: readonly T[]): T[][] {
  return Array.from({ length: parts.length / size }, (_, i) => parts.slice(i * size, (i + 1) * size))
}

function knownArgs(known: Position | undefined): string[] {
  return [known?.epoch ?? '', `${known?.offset ?? 0}`]
}

function publishArgs(room: string, publish: Publication | undefined): (string | Buffer)[] {
  if (publish === undefined) return ['', '', '']
  const { command, prefix } = publish.over as Over
  return [command, prefix + room, view(publish.head)]
}

/** The libraries take strings and Buffers. */
function view({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
