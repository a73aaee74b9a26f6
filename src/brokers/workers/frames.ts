// What brokers in workers and the primary of node:cluster say to each other, through `process.send` and `worker.send`.

/** The key by which a message of ours is known among those of the application. Its value is the version. */
const KEY = 'fastify-blaze-ws'
const VERSION = 1

/** Bytes: as they are, or in base64 if the channel between the processes serializes with JSON. */
export type Bytes = Uint8Array | string

/** From a broker to the primary, which takes them in order, and says so by their numbers. */
export type Request = { readonly member: string; readonly number: number } & (
  | {
      /** The broker takes part from now on, with exactly these channels. */
      readonly kind: 'join'
      readonly channels: readonly string[]
      /** A byte, by which the primary learns whether bytes arrive as bytes. */
      readonly sample: Uint8Array
    }
  | { readonly kind: 'subscribe' | 'unsubscribe'; readonly channels: readonly string[] }
  | { readonly kind: 'publish'; readonly batch: Bytes }
  | { readonly kind: 'ping' | 'leave' }
)

/** From the primary to a broker. */
export interface Notice {
  readonly member: string
  /** The number of the latest request that the primary has taken. */
  readonly taken: number
  /** Messages for the channels of the broker. */
  readonly batch?: Bytes
  /** Whether the other end of the channel can be sent bytes as bytes. */
  readonly takesBytes?: boolean
  /** The broker does not take part any more, and must join again. */
  readonly isEnd?: true
}

export function sealed<Frame extends Request | Notice>(frame: Frame): object {
  return { [KEY]: VERSION, ...frame }
}

/** The request in a message from a worker; undefined if it is a message of the application. */
export function requestIn(message: unknown): Request | undefined {
  const frame = frameIn(message)
  const isRequest = Number.isSafeInteger(frame?.['number']) && IS_COMPLETE.get(frame?.['kind'])?.(frame as Fields)
  return isRequest === true ? (frame as unknown as Request) : undefined
}

/** The notice in a message from the primary; undefined if it is a message of the application. */
export function noticeIn(message: unknown): Notice | undefined {
  const frame = frameIn(message)
  const isNotice = Number.isSafeInteger(frame?.['taken']) && (frame?.['batch'] === undefined || isBytes(frame['batch']))
  return isNotice ? (frame as unknown as Notice) : undefined
}

type Fields = Readonly<Record<string, unknown>>

const always = (): boolean => true
const hasChannels = ({ channels }: Fields): boolean =>
  Array.isArray(channels) && channels.every((name) => typeof name === 'string')

/** Whether a request has all that its kind needs. What looks like a request must not end the primary, which all workers depend on. */
const IS_COMPLETE: ReadonlyMap<unknown, (frame: Fields) => boolean> = new Map<
  Request['kind'],
  (frame: Fields) => boolean
>([
  ['join', hasChannels],
  ['subscribe', hasChannels],
  ['unsubscribe', hasChannels],
  ['publish', ({ batch }) => isBytes(batch)],
  ['ping', always],
  ['leave', always]
])

function frameIn(message: unknown): Fields | undefined {
  const frame = message as Fields | null
  const isFrame = typeof frame === 'object' && frame?.[KEY] === VERSION && typeof frame['member'] === 'string'
  return isFrame ? frame : undefined
}

function isBytes(value: unknown): boolean {
  return typeof value === 'string' || ArrayBuffer.isView(value)
}

export function bytesOf(bytes: Bytes): Buffer {
  return typeof bytes === 'string'
    ? Buffer.from(bytes, 'base64')
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
