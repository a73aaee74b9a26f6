// oxlint-disable unicorn/require-post-message-target-origin -- that is for windows
// A process that must end by itself although its brokers are open: node ends.mjs <threads|primary>
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { clusterBroker, connectWorkers } from '../../../../dist/esm/cluster.js'

/** An open broker with a subscription. `got` resolves with the first message. */
async function open() {
  const broker = clusterBroker()
  const got = new Promise((resolve) =>
    broker.open({ receive: (_channel, message) => resolve(String(message)), lost() {} })
  )
  await broker.subscribe(['news'])
  return { broker, got }
}

const scenarios = {
  async threads() {
    const { broker, got } = await open()
    const thread = new Worker(fileURLToPath(import.meta.url))
    await once(thread, 'message')
    const message = Buffer.from('question')
    const published = broker.publish('news', message)
    // The broker has copied the bytes.
    message.fill(0)
    await published
    const [answer] = await once(thread, 'message')
    if (answer !== 'question' || (await got) !== 'answer') throw new Error('no exchange')
  },
  async primary() {
    connectWorkers()
    const [one, two] = [await open(), await open()]
    // Waiting for messages does not keep the process alive, but this one is under way.
    await one.broker.publish('news', Buffer.from('hello'))
    if ((await two.got) !== 'hello') throw new Error('no exchange')
  }
}

if (isMainThread) {
  await scenarios[process.argv[2]]()
  console.log('done')
} else {
  const { broker, got } = await open()
  parentPort.postMessage('ready')
  const keepAlive = setInterval(() => {}, 1_000)
  const question = await got
  await broker.publish('news', Buffer.from('answer'))
  parentPort.postMessage(question)
  clearInterval(keepAlive)
}
