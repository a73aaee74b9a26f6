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

/** The frame in a message between processes; undefined if it is a message of the application. */
export function frameIn<Frame extends Request | Notice>(message: unknown): Frame | undefined {
  const frame = message as Record<string, unknown> | null
  return typeof frame === 'object' && frame !== null && frame[KEY] === VERSION ? (frame as unknown as Frame) : undefined
}

export function bytesOf(bytes: Bytes): Buffer {
  return typeof bytes === 'string'
    ? Buffer.from(bytes, 'base64')
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
