// All rows, in the order of the table. A `goal` is a ratio of our figure to a peer's, both from the same run. A goal without `max`
// only shows the ratio. `quick` changes a row for --quick, and `more` has further figures of the same measurements.
import { cluster } from './scenarios/cluster.mjs'
import { connections } from './scenarios/connections.mjs'
import { fanOut } from './scenarios/fan-out.mjs'
import { history } from './scenarios/history.mjs'
import { messages } from './scenarios/messages.mjs'
import { observed } from './scenarios/observed.mjs'
import { rpc } from './scenarios/rpc.mjs'
import { workers } from './scenarios/workers.mjs'

export const unit = {
  echo: 'µs',
  exchange: 'µs',
  broadcast: 'µs',
  fanout: 'µs',
  idle: 'KiB',
  heartbeats: 'ms/s',
  handshakes: 'µs',
  paused: 'ms',
  resumes: 'ms',
  'cluster-broadcast': 'µs',
  'cluster-latency': 'µs',
  workers: '/s'
}

export const scenarios = [
  ...messages,
  ...fanOut,
  ...connections,
  ...rpc,
  ...cluster,
  ...workers,
  ...history,
  ...observed
]
