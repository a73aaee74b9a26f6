import { randomBytes } from 'node:crypto'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'

const { PORT = '3000', HOST = '127.0.0.1', LOG_LEVEL = 'warn', CHAT_TOKEN } = process.env

const token = CHAT_TOKEN || randomBytes(16).toString('hex')
const app = await buildApp({ token, logger: { level: LOG_LEVEL } })

// A little more than the plugin takes at most to close the connections, see `shutdown` in app.js.
closeWithGrace({ delay: 10_000 }, async ({ err }) => {
  if (err) app.log.error({ err }, 'closing after an error')
  await app.close()
})

const address = await app.listen({ port: Number(PORT), host: HOST })
console.log(`Chat: ${address}  (numbers: ${address}/status)`)
if (!CHAT_TOKEN) console.log(`Token for /admin, set CHAT_TOKEN to choose your own: ${token}`)
