// Runs the conformance tests of brokers in a worker of node:cluster, or in the primary, and prints the results as one line of JSON.
// node conformance.mjs <serialization> <worker|primary>
import cluster from 'node:cluster'
import { once } from 'node:events'
import { clusterBroker, connectWorkers } from '../../../../dist/esm/cluster.js'
import { brokerConformance } from '../../../../dist/esm/testing.js'

const [, , serialization, place] = process.argv

/** Runs all tests. `line(isOpen)` closes and opens the line in the primary. */
async function run(line) {
  let count = 0
  const interrupt = async () => {
    await line(false)
    return () => line(true)
  }
  const create = () => clusterBroker({ name: `test-${count}` })
  // In the primary, a broker that is made without a line is for threads.
  const createLate = async () => ({ broker: create(), start: await interrupt() })
  const results = {}
  for (const test of brokerConformance({ create, interrupt, createLate })) {
    count++
    results[test.name] = await test.run().then(
      () => 'passed',
      (error) => error.stack
    )
  }
  results.listeners = process.listenerCount('message') + process.listenerCount('disconnect')
  return results
}

if (cluster.isWorker) {
  const ask = async (isOpen) => {
    process.send({ isOpen })
    await once(process, 'message')
  }
  const before = process.listenerCount('message') + process.listenerCount('disconnect')
  const results = await run(ask)
  process.send({ results: { ...results, listeners: results.listeners - before } })
} else {
  cluster.setupPrimary({ serialization })
  let end = connectWorkers()
  const line = (isOpen) => {
    if (isOpen) end = connectWorkers()
    else end()
  }
  if (place === 'primary') console.log(JSON.stringify(await run(line)))
  else
    cluster.fork().on('message', function onMessage({ isOpen, results }) {
      if (isOpen !== undefined) {
        line(isOpen)
        this.send('done')
      }
      if (results === undefined) return
      console.log(JSON.stringify(results))
      this.disconnect()
    })
}
