import { expectTypeOf } from 'expect-type'
import { z } from 'zod'
import {
  type Client,
  ClientError,
  type ClientErrorCode,
  type ClientState,
  connect,
  isContractError,
  type MessagePosition,
  type Position
} from '../../src/client.ts'
import { defineContract } from '../../src/contract.ts'

// tsc checks these assertions; Jest only checks that nothing throws.

const typed = defineContract({
  name: 'typed',
  fromClient: { say: z.object({ text: z.string(), tone: z.string().default('calm') }), leave: null },
  fromServer: { said: z.object({ at: z.date() }), bye: null },
  calls: {
    rename: { input: z.object({ name: z.string() }), output: z.object({ at: z.date() }), errors: ['taken'] },
    ping: {}
  },
  asks: { confirm: { input: z.object({ id: z.number() }), output: z.object({ ok: z.boolean() }) } }
})

test('a client has the types of its contract', () => {
  const never = async (): Promise<void> => {
    const client = connect<typeof typed>({ url: 'wss://example.com' })
    expectTypeOf(connect(typed, { url: async () => 'wss://example.com' })).toEqualTypeOf<Client<typeof typed>>()
    expectTypeOf(client).toEqualTypeOf<Client<typeof typed>>()
    expectTypeOf(client.state).toEqualTypeOf<ClientState>()
    expectTypeOf(client.positions).toEqualTypeOf<Record<string, Position>>()
    client
      .on('said', (data, position) => {
        // A date arrives as a string.
        expectTypeOf(data).toEqualTypeOf<{ at: string }>()
        expectTypeOf(position).toEqualTypeOf<MessagePosition>()
      })
      .on('bye', (data) => expectTypeOf(data).toEqualTypeOf<undefined>())
      .on('state', (state) => expectTypeOf(state).toEqualTypeOf<ClientState>())
      .on('gap', ({ room, reason }) => expectTypeOf([room, reason]).toEqualTypeOf<string[]>())
      .on('error', (error) => expectTypeOf(error).toEqualTypeOf<Error>())
    // @ts-expect-error an unknown event
    client.on('sayd', () => {})

    await client.send('say', { text: 'a' })
    await client.send('say', { text: 'a', tone: 'loud' }, { queue: true })
    await client.send('leave')
    await client.send('leave', undefined, { queue: true })
    // @ts-expect-error data is missing
    await client.send('say')
    // @ts-expect-error a text is a string
    await client.send('say', { text: 1 })
    // @ts-expect-error an event of the server
    await client.send('said', { at: '' })

    expectTypeOf(await client.call('rename', { name: 'a' }, { timeout: 1 })).toEqualTypeOf<{ at: string }>()
    expectTypeOf(await client.call('ping')).toEqualTypeOf<undefined>()
    // @ts-expect-error a name is missing
    await client.call('rename', {})

    client.answer({ confirm: async ({ id }) => ({ ok: id > 0 }) })
    // @ts-expect-error an answer of another type
    client.answer({ confirm: () => ({ ok: 1 }) })

    const error: unknown = undefined
    if (isContractError(error, typed, 'rename')) expectTypeOf(error.code).toEqualTypeOf<'taken'>()
    if (error instanceof ClientError) expectTypeOf(error.code).toEqualTypeOf<ClientErrorCode>()
  }
  expect(never).toBeDefined()
})
