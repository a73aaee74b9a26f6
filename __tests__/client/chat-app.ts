import type { FastifyInstance } from 'fastify'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { chat } from './support.ts'

export interface ChatApp extends TestServer {
  readonly url: string
  /** How many connections are open. */
  readonly count: () => number
  /** The texts that clients have said. */
  readonly said: string[]
  /** Runs at the next `say`. */
  onSay: ((text: string) => void) | undefined
}

/** A server with the chat. Whoever says something hears it; `authenticate` refuses the auth `wrong`. */
export async function startChat(
  options: TestServerOptions & { port?: number; setUp?: (app: FastifyInstance) => void } = {}
): Promise<ChatApp> {
  const said: string[] = []
  const { setUp, ...rest } = options
  const server = await startServer((app) => {
    setUp?.(app)
    app.webSocketWithContract(
      '/chat',
      chat,
      async (ws) => {
        app.wsHub.register(ws)
        for await (const event of ws) {
          if (event.type === 'leave') return
          said.push(event.data.text)
          result.onSay?.(event.data.text)
          await ws.send('said', { text: event.data.text })
        }
      },
      {
        authenticate: (auth) => {
          if (auth === 'wrong') throw new Error('wrong')
          return auth
        },
        calls: {
          rename: ({ name }, _ws, { fail }) => {
            if (name === 'Bob') throw fail('taken', 'taken by Bob', { by: 'Bob' })
            return { name }
          },
          wait: async (_input, _ws, { signal }) =>
            new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
          ask: async (_input, ws) => {
            const answer = await ws.ask('confirm', { id: 1 }).catch((error: Error & { code: string }) => error)
            return {
              answer: answer instanceof Error ? `${answer.name} ${answer.code} ${answer.message}` : String(answer.ok)
            }
          },
          fail: () => {
            throw new Error('secret')
          }
        }
      }
    )
  }, rest)
  const result: ChatApp = {
    ...server,
    url: server.ws('/chat'),
    count: () => server.app.wsHub.getClientCount(),
    said,
    onSay: undefined
  }
  return result
}
