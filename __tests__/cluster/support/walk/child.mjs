// The nodes of a walk, each in a process of its own; those in memory are together in one. The parent sends commands.
import { brokers, networkCommands } from './brokers.mjs'
import { WalkNode } from './node.mjs'

const faults = []
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => faults.push(`${event}: ${error?.stack}`))

const nodes = new Map()

const commands = {
  ...networkCommands,
  async start({ name, lease, engine }) {
    const closing = []
    const node = await WalkNode.start(name, lease, await brokers[engine.kind]({ ...engine, name }, closing), closing)
    nodes.set(name, node)
    return node.port
  },
  broadcast: ({ name, ...options }) => nodes.get(name).broadcast(options),
  publish: ({ name, ...options }) => nodes.get(name).publish(options),
  disconnect: ({ name, room }) => nodes.get(name).disconnect(room),
  view: ({ name, rooms }) => nodes.get(name).view(rooms),
  lists: ({ name, rooms }) => nodes.get(name).lists(rooms),
  isReady: ({ name }) => nodes.get(name).isReady(),
  /** Ends a node in memory without a notice to the others. */
  kill({ name }) {
    networkCommands.cut({ name })
    return nodes.get(name).close()
  },
  stop: ({ name }) => nodes.get(name).close(),
  async close() {
    await Promise.all([...nodes.values()].map((node) => node.close()))
  }
}

process.on('message', async ({ id, command, ...options }) => {
  try {
    const result = await commands[command](options)
    process.send({ id, result, faults: faults.splice(0) })
  } catch (error) {
    process.send({ id, faults: [...faults.splice(0), `${command}: ${error.stack}`] })
  }
  if (command !== 'close') return
  process.off('disconnect', orphaned)
  process.disconnect()
})

/** The parent has ended without a command to close. */
function orphaned() {
  process.exit(1)
}
process.on('disconnect', orphaned)
