import { type Broker, memoryBroker, type MemoryEngine } from '../../../src/index.ts'
import { decode, Kind } from '../../../src/cluster/wire/envelope.ts'
import { decodeMessage } from '../../../src/cluster/wire/protocol.ts'

/** A message on its way to one node. */
export interface OnTheWay {
  channel: string
  origin: string
  /** The message between nodes; undefined for a broadcast. */
  control: ReturnType<typeof decodeMessage>
}

/** The fate of a message: how many copies arrive, and after how many milliseconds. */
export interface Fate {
  copies: number
  delay?: number
}

export interface LossyBroker {
  broker: Broker
  /** Decides the fate of each message to this node. By default, no message is lost. */
  decide: (message: OnTheWay) => Fate
  /** The messages that have arrived. */
  heard: (OnTheWay & { bytes: number })[]
}

/** A memory broker that loses, repeats and delays messages to its node. */
export function lossyBroker(engine: MemoryEngine): LossyBroker {
  const broker = memoryBroker({ engine })
  const lossy: LossyBroker = { broker, decide: () => ({ copies: 1 }), heard: [] }
  const open = broker.open.bind(broker)
  broker.open = (node) => {
    const arrive = (channel: string, bytes: Uint8Array): void => {
      const message = messageOf(channel, bytes)
      const { copies, delay } = lossy.decide(message)
      const deliver = (): void => {
        lossy.heard.push({ ...message, bytes: bytes.length })
        node.receive(channel, bytes)
      }
      for (let i = 0; i < copies; i++) {
        if (delay === undefined) deliver()
        else setTimeout(deliver, delay).unref()
      }
    }
    open({ receive: arrive, lost: (error) => node.lost(error) })
  }
  return lossy
}

function messageOf(channel: string, bytes: Uint8Array): OnTheWay {
  const envelope = decode(bytes)
  return {
    channel,
    origin: envelope?.origin ?? '',
    control: envelope?.kind === Kind.Node ? decodeMessage(envelope.payload) : undefined
  }
}

/** Numbers from 0 to 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
