// Fastify with the plugin, and Vite as its middleware.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { createServer } from 'vite'
import blazeWs from '../../dist/esm/index.js'

const root = mkdtempSync(join(tmpdir(), 'vite-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
writeFileSync(join(root, 'index.html'), '<!doctype html><script type="module"></script>')

const app = Fastify()
await app.register(blazeWs)
const vite = await createServer({
  root,
  configFile: false,
  logLevel: 'silent',
  appType: 'spa',
  cacheDir: join(root, 'cache'),
  server: { middlewareMode: true, hmr: { server: app.server }, watch: null }
})
app.addHook('onRequest', (request, reply, done) => {
  if (request.ws || request.url.startsWith('/ws')) return done()
  reply.hijack()
  vite.middlewares(request.raw, reply.raw)
})
app.webSocket('/ws', async (ws) => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port, token: vite.config.webSocketToken })
process.on('disconnect', () => process.exit())
