// The network between the clients and the nodes: a TCP proxy that cuts, freezes and delays the connections of each client by its plan.
// A client names itself and the node that it wants in the query of its URL.
import { createServer } from 'node:net'
import { Line } from './line.mjs'
import { absencesOf } from './plan.mjs'
import { serve } from './serve.mjs'

const LONGEST_HEAD = 2_000
const { nodes, ...options } = JSON.parse(process.argv[2])
const lines = new Map()

function lineOf(client) {
  const line = lines.get(client) ?? new Line()
  lines.set(client, line)
  return line
}

/** The first bytes of a connection tell whose it is. They may come in pieces. */
function onConnection(socket, head = Buffer.alloc(0)) {
  socket.once('error', () => socket.destroy())
  socket.once('data', (chunk) => {
    const bytes = Buffer.concat([head, chunk])
    const match = /[?&]client=(\d+)&node=(\d+)[& ]/.exec(bytes.toString('latin1'))
    socket.removeAllListeners('error')
    if (match !== null) lineOf(Number(match[1])).connect(socket, nodes[Number(match[2])], bytes)
    else if (bytes.length > LONGEST_HEAD) socket.destroy()
    else onConnection(socket, bytes)
  })
}

const server = createServer({ noDelay: true }, (socket) => onConnection(socket))
let timers = []

/** Plays the plan, whose times are relative to `start`, in milliseconds since 1970. */
function begin({ start }) {
  const at = (time, act) => timers.push(setTimeout(() => act(), start + time - Date.now()))
  for (let client = 0; client < options.clients; client++) {
    for (const absence of absencesOf(options, client)) {
      at(absence.from, () => lineOf(client).begin(absence))
      at(absence.to, () => lineOf(client).end())
    }
  }
}

/** From now on the network is sound. */
function end() {
  for (const timer of timers) clearTimeout(timer)
  timers = []
  for (const line of lines.values()) line.end()
}

serve({
  start: () =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 }, () => resolve(server.address().port))
    }),
  begin,
  end
})
