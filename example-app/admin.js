import { createHash, timingSafeEqual } from 'node:crypto'
import { webSocketTickets } from 'fastify-blaze-ws/tickets'
import { feedContract } from './feed-contract.js'

const kickSchema = {
  body: {
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string', minLength: 1, maxLength: 100 } }
  }
}

/**
 * Routes for operators only. The hook guards every route of the group; a WebSocket gets its 401 before the upgrade. A page
 * cannot send a header with a WebSocket, so it gets a ticket from POST /ticket, which opens one connection.
 */
export async function adminRoutes(app, { chat, token, ticketStore }) {
  const tickets = webSocketTickets(ticketStore && { store: ticketStore })
  app.addHook('onRequest', app.rateLimit({ max: 60, timeWindow: '1 minute' }))
  app.addHook('onRequest', async (request, reply) => {
    if (isBearer(request.headers.authorization, token)) return undefined
    if (request.ws && request.query.ticket !== undefined) return void (await tickets.spend(request))
    return reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'a valid token is needed' })
  })

  app.post('/ticket', async () => ({ ticket: await tickets.issue('operator') }))

  // A live feed of all rooms. It stays open although the handler returns, because its clients have nothing to say.
  app.webSocketWithContract('/feed', feedContract, (ws) => chat.feed.register(ws))

  app.post('/kick', { schema: kickSchema }, async (request, reply) => {
    if (await chat.kick(request.body.name)) return { success: true }
    return reply.code(404).send({ error: 'no guest has this name' })
  })
}

/** A hook for pages. The browser asks for a name and a password: any name, and the token. Programs may send it as a bearer token. */
export function operatorsOnly(token) {
  return async (request, reply) => {
    const { authorization = '' } = request.headers
    if (isBearer(authorization, token) || isBearer(`Bearer ${passwordIn(authorization)}`, token)) return undefined
    return reply
      .code(401)
      .header('www-authenticate', 'Basic realm="the token of the chat as the password", charset="UTF-8"')
      .send({ error: 'a valid token is needed' })
  }
}

function passwordIn(authorization) {
  const [, encoded = ''] = /^Basic (.+)$/.exec(authorization) ?? []
  return /:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1] ?? ''
}

/** Compares hashes in constant time, so that the time reveals nothing about the token. */
function isBearer(header = '', token) {
  return timingSafeEqual(hash(header), hash(`Bearer ${token}`))
}

function hash(text) {
  return createHash('sha256').update(text).digest()
}
