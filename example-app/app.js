import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import rateLimit from '@fastify/rate-limit'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import blazeWs, { sameOrigin, WebSocketHub } from 'fastify-blaze-ws'
import dashboard from 'fastify-blaze-ws/dashboard'
import { adminRoutes, operatorsOnly } from './admin.js'
import { Chat } from './chat.js'
import { healthRoutes } from './health.js'
import { addMetrics } from './metrics.js'
import { chatContract } from './public/chat-contract.js'
import { statusOf } from './status.js'

const root = fileURLToPath(new URL('public', import.meta.url))
/** The package as ES modules. The page loads the client and its contract from there, without a build step. */
const modules = fileURLToPath(new URL('.', import.meta.resolve('fastify-blaze-ws/client')))
const isForPages = (path) => /^\/((client|contract|rpc)\/.+|client|contract)\.js$/.test(path)

const securityHeaders = {
  'content-security-policy':
    `default-src 'none'; script-src 'self' '${importMapHash()}'; style-src 'self'; img-src 'self'; connect-src 'self'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const nameSchema = {
  querystring: {
    type: 'object',
    required: ['like'],
    properties: { like: { type: 'string', minLength: 1, maxLength: 100 } }
  }
}

const broadcastSchema = {
  body: {
    type: 'object',
    required: ['message'],
    properties: { message: { type: 'string', minLength: 1, maxLength: 2000, pattern: '\\S' } }
  }
}

/**
 * Builds the whole chat as a Fastify instance that does not listen yet.
 *
 * @param options `token` is the token for /admin and /status. For a chat on several nodes, `broker(name)` creates a broker for a hub, `store`
 * keeps the messages and `ticketStore` the tickets (see engine.js), and `node` is the name of this node. `grace` is how long
 * a guest may be away before the others are told, in milliseconds. All other options go to Fastify.
 */
export async function buildApp({ token, node, grace, broker, store, ticketStore, ...options }) {
  const app = Fastify(options)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(securityHeaders)
  })

  await app.register(rateLimit, { global: false })
  await app.register(fastifyStatic, { root })
  await app.register(fastifyStatic, {
    root: modules,
    prefix: '/modules/',
    decorateReply: false,
    allowedPath: isForPages
  })
  await app.register(blazeWs, {
    config: { checkOrigin: sameOrigin(), maxMessageSize: 16 * 1024 },
    hub: { broker: broker?.('chat'), history: { store, size: 1000, ttl: 3_600_000 } },
    shutdown: { timeout: 5000, reason: 'server restarts' }
  })

  const feed = new WebSocketHub(broker && { broker: broker('feed'), name: 'feed', app })
  // A single node needs no name.
  const nodeName = broker && node
  // With several nodes, messages can only be kept for all of them.
  const keepsMessages = broker === undefined || store !== undefined
  const chat = new Chat(app.wsHub, { feed, keepsMessages, node: nodeName, grace })
  app.addHook('preClose', async () => chat.close())

  app.webSocketWithContract('/ws', chatContract, (ws) => chat.serve(ws), {
    authenticate: (auth, ws) => chat.admit(ws, auth),
    calls: chat.calls,
    // This limit counts upgrades per address.
    config: { rateLimit: { max: 300, timeWindow: '1 minute' } },
    // This one counts messages, for clients that do not listen to refusals. The one in guest.js is lower, and polite.
    webSocket: { rateLimit: { messages: 20, burst: 100, onLimit: 'close' } }
  })
  app.get('/asyncapi.json', async () => app.asyncapi({ title: 'Blaze Chat' }))

  app.post(
    '/broadcast',
    { schema: broadcastSchema, config: { rateLimit: { max: 60, timeWindow: '1 minute' } } },
    async (request, _reply) => {
      const receivers = await chat.announce(request.body.message)
      return { success: true, receivers }
    }
  )

  app.get(
    '/name',
    { schema: nameSchema, config: { rateLimit: { max: 60, timeWindow: '1 minute' } } },
    async (request, _reply) => {
      const name = await chat.freeName(request.query.like)
      return { name }
    }
  )

  await app.register(dashboard, {
    prefix: '/status',
    onRequest: [app.rateLimit({ max: 300, timeWindow: '1 minute' }), operatorsOnly(token)]
  })
  app.get('/status.json', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return statusOf(app.wsHub, chat, nodeName)
  })

  await app.register(healthRoutes)
  await addMetrics(app, { feed })
  await app.register(adminRoutes, { prefix: '/admin', chat, token, ticketStore })
  return app
}

/** The page's import map is its only inline script. The policy allows exactly this one. */
function importMapHash() {
  const [, importMap] = /<script type="importmap">(.*?)<\/script>/s.exec(readFileSync(join(root, 'index.html'), 'utf8'))
  return `sha256-${createHash('sha256').update(importMap).digest('base64')}`
}
