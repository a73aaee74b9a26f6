import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { BlazeWsChannels } from '../../src/index.ts'

type Name = keyof BlazeWsChannels extends `fastify-blaze-ws:${infer Short}` ? Short : never
type MessageOf<N extends Name> = BlazeWsChannels[`fastify-blaze-ws:${N}`]

const stops: (() => void)[] = []

/** Calls back with the messages of a channel, until the returned function is called or the test ends. */
export function listen<N extends Name>(name: N, onMessage: (message: MessageOf<N>) => void): () => void {
  const listener = onMessage as (message: unknown) => void
  subscribe(`fastify-blaze-ws:${name}`, listener)
  const stop = (): void => void unsubscribe(`fastify-blaze-ws:${name}`, listener)
  stops.push(stop)
  return stop
}

/** The messages of a channel, until the test ends. */
export function messagesOf<N extends Name>(name: N): MessageOf<N>[] {
  const messages: MessageOf<N>[] = []
  listen(name, (message) => messages.push(message))
  return messages
}

/** Call it in `afterEach`. */
export function stopListening(): void {
  for (const stop of stops.splice(0)) stop()
}
