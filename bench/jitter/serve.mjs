// The side of a child process: answers the questions of the harness, and ends when the harness is gone.
import { createServer } from 'node:net'
import { once } from 'node:events'

/** Answers each question with the result of the function that has its name. */
export function serve(functions) {
  process.on('message', async ({ id, name, data }) => {
    try {
      process.send({ id, result: await functions[name](data) })
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) })
    }
  })
  process.on('disconnect', () => process.exit())
}

/** The lowest port that may be taken by a connection that chooses one by itself; Linux begins at 32768. */
const FIRST_EPHEMERAL = 32_768
const FIRST_PORT = 21_000
let next = FIRST_PORT + (process.pid % 10_000)

/** A free port that no outgoing connection takes, so that a server can use it again after a restart. */
export async function stablePort() {
  for (;;) {
    const port = next++
    if (next >= FIRST_EPHEMERAL) next = FIRST_PORT
    if (await isFree(port)) return port
  }
}

async function isFree(port) {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
