import type { FastifyInstance } from 'fastify'
import { closeServers, connect, startServer } from '../support/server.ts'
import { tableBelow } from './support/markdown.ts'

// The table of docs/routes.md says which of Fastify's hooks run.
const rows = tableBelow('docs/routes.md', 'Hooks')
const namesIn = (cell: string | undefined): string[] =>
  [...(cell ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => String(name))

/** The hooks whose row matches this in a column. */
const documented = (column: number, what: RegExp): string[] =>
  rows.filter((row) => what.test(row[column] ?? '')).flatMap(([names]) => namesIn(names))

const ALL = rows.flatMap(([names]) => namesIn(names))

afterEach(closeServers)

/** Records in `ran` which hooks run. */
function watch(app: FastifyInstance, ran: Set<string>): void {
  for (const name of ALL) {
    app.addHook(name as 'onRequest', (...args: unknown[]) => {
      ran.add(name)
      const done = args.at(-1) as (error: null, payload?: unknown) => void
      // The hooks that change a payload get it as their third argument.
      done(null, args.length > 3 ? args[2] : undefined)
    })
  }
}

/** Connects to a route and returns the hooks that ran, in the order of the table. */
async function hooksOf(path: string): Promise<string[]> {
  const ran = new Set<string>()
  const server = await startServer((app) => {
    watch(app, ran)
    app.webSocket('/open', async () => {})
    app.webSocket('/closed', { onRequest: async (request) => request.refuseWebSocket(4401) }, async () => {})
    app.webSocket(
      '/refused',
      { preHandler: async (_request, reply) => reply.code(403).send({ error: 'no' }) },
      async () => {}
    )
    app.webSocket('/failed', { preHandler: () => Promise.reject(new Error('no')) }, async () => {})
  })
  await connect(server.ws(path)).then(
    (client) => client.close(),
    () => {}
  )
  await closeServers()
  return ALL.filter((name) => ran.has(name))
}

test('an upgrade that succeeds', async () => {
  expect(await hooksOf('/open')).toEqual(documented(1, /^runs?$/))
})

test('an upgrade that is refused by the reply of a hook', async () => {
  expect(await hooksOf('/refused')).toEqual(documented(2, /^runs?(,|$)/))
})

test('an upgrade that is refused by the error of a hook', async () => {
  expect(await hooksOf('/failed')).toEqual(documented(2, /^runs?/))
})

test('refuseWebSocket completes the upgrade, so the hooks for replies do not run', async () => {
  const forReplies = documented(1, /not/)
  expect((await hooksOf('/closed')).filter((name) => forReplies.includes(name))).toEqual([])
})
