// Runs the conformance tests of brokers in a worker of node:cluster, and prints the results as one line of JSON.
// node conformance.mjs <serialization>
import cluster from 'node:cluster'
import { clusterBroker, connectWorkers } from '../../../../dist/esm/cluster.js'
import { brokerConformance } from '../../../../dist/esm/testing.js'

const [, , serialization] = process.argv

const countListeners = () => process.listenerCount('message') + process.listenerCount('disconnect')

/** Has the primary open or close its line. The messages of the broker are not its answer. */
function line(isOpen) {
  return new Promise((resolve) => {
    const onMessage = (message) => {
      if (message !== 'done') return
      process.off('message', onMessage)
      resolve()
    }
    process.on('message', onMessage)
    process.send({ isOpen })
  })
}

async function runTests() {
  let count = 0
  const before = countListeners()
  const interrupt = async () => {
    await line(false)
    return () => line(true)
  }
  const create = () => clusterBroker({ name: `test-${count}` })
  const createLate = async () => ({ start: await interrupt(), broker: create() })
  const results = {}
  for (const test of brokerConformance({ create, interrupt, createLate })) {
    count++
    results[test.name] = await test.run().then(
      () => 'passed',
      (error) => error.stack
    )
  }
  return { ...results, listeners: countListeners() - before }
}

function primary() {
  cluster.setupPrimary({ serialization })
  let end = connectWorkers()
  const worker = cluster.fork()
  worker.on('message', ({ isOpen, results }) => {
    if (isOpen !== undefined) {
      if (isOpen) end = connectWorkers()
      else end()
      worker.send('done')
    }
    if (results === undefined) return
    console.log(JSON.stringify(results))
    worker.disconnect()
  })
}

if (cluster.isPrimary) primary()
else process.send({ results: await runTests() })
