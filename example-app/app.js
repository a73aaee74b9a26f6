import { fileURLToPath } from 'node:url'
import rateLimit from '@fastify/rate-limit'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import blazeWs, { sameOrigin, WebSocketHub } from 'fastify-blaze-ws'
import { adminRoutes } from './admin.js'
import { Chat } from './chat.js'
import { statusOf } from './status.js'

const root = fileURLToPath(new URL('public', import.meta.url))

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
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
 * The whole chat as a Fastify instance that does not listen yet.
 *
 * @param options `token` opens /admin. For a chat on several nodes, `broker(name)` makes a Broker for a hub, `history` is where the
 * last messages are and `ticketStore` where the tickets are, see engine.js; `node` is the name of this one.
 * `grace` is how long somebody may be away before the others hear of it, in milliseconds. The rest is Fastify's.
 */
export async function buildApp({ token, node, grace, broker, history, ticketStore, ...options }) {
  const app = Fastify(options)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(securityHeaders)
  })

  await app.register(rateLimit, { global: false })
  await app.register(fastifyStatic, { root })
  await app.register(blazeWs, {
    config: { checkOrigin: sameOrigin(), maxMessageSize: 16 * 1024 },
    hub: broker && { broker: broker('chat') },
    shutdown: { timeout: 5000, reason: 'server restarts', message: JSON.stringify({ type: 'shutdown' }) }
  })

  const feed = new WebSocketHub(broker && { broker: broker('feed'), name: 'feed', app })
  // Who has the only node there is needs no name for it.
  const nodeName = broker && node
  const chat = new Chat(app.wsHub, { feed, history, node: nodeName, grace })
  app.addHook('preClose', async () => chat.close())

  // The limit is per address and guards the upgrade; messages have one of their own, in chat.js.
  app.webSocket('/ws', { config: { rateLimit: { max: 300, timeWindow: '1 minute' } } }, (ws) => chat.serve(ws))

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

  app.get('/status', (_request, reply) => reply.sendFile('status.html'))
  app.get('/status.json', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return statusOf(app.wsHub, chat, nodeName)
  })

  await app.register(adminRoutes, { prefix: '/admin', chat, token, ticketStore })
  return app
}
