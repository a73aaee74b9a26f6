/** The slope of the line through points, by least squares. */
export function slopeOf(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(points.map((point) => point[0])), mean(points.map((point) => point[1]))]
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
}

const MIB = 1024 * 1024
const average = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

/** How much the heap may appear to grow over the second half: connections do not all hold the same amount. */
const HEAP_NOISE = { bytes: 3 * MIB, share: 0.05 }
/** Timers come and go: each closing connection has one, and their number depends on the hostile clients. */
const HANDLE_NOISE = { count: 10, share: 0.02 }

/** The heap without the part held for the connections, whose number goes up and down. */
function heapLine(samples) {
  const perSocket = Math.max(0, slopeOf(samples.map(({ sockets, heap }) => [sockets, heap])))
  return (sample) => [sample.time, sample.heap - perSocket * sample.sockets]
}

/** Whether heap and handles have grown over the second half of the samples. */
export function growthOf(samples) {
  const half = samples.slice(Math.floor(samples.length / 2))
  const collected = samples.filter(({ isCollected }) => isCollected)
  const heaps = half.filter(({ isCollected }) => isCollected)
  const time = (half.at(-1)?.time ?? 0) - (half[0]?.time ?? 0)
  const slope = slopeOf(heaps.map(heapLine(collected)))
  const limit = HEAP_NOISE.bytes + HEAP_NOISE.share * average(heaps.map(({ heap }) => heap))
  const beside = ({ handles, sockets, requests }) => handles - sockets - requests
  const quarter = Math.max(1, Math.floor(half.length / 2))
  const handles = average(half.slice(-quarter).map(beside)) - average(half.slice(0, quarter).map(beside))
  const handleLimit = HANDLE_NOISE.count + HANDLE_NOISE.share * average(half.map(({ sockets }) => sockets))
  return { slope, gained: slope * time, limit, handles, handleLimit }
}

/** All checks: each with its name, its result, and the observed values. */
export function checksOf({ samples, clients, staying, closed, exit, took, shutdownTimeout }) {
  const { slope, gained, limit, handles, handleLimit } = growthOf(samples)
  const sum = (key) => clients.reduce((total, client) => total + client[key], 0)
  const wrongs = clients.flatMap((client) => client.wrongs)
  const faults = closed?.faults ?? ['the server did not report its end']
  return [
    {
      name: 'honest clients lost nothing',
      ok: sum('lost') === 0,
      seen: `${sum('lost')} lost of ${sum('delivered')} broadcasts`
    },
    {
      name: 'honest clients got everything once and in order',
      ok: sum('outOfOrder') === 0,
      seen: `${sum('outOfOrder')} twice or out of order`
    },
    {
      name: 'honest clients were served and closed as they should',
      ok: sum('wrongCount') === 0,
      seen: list(`${sum('wrongCount')} were not`, wrongs)
    },
    {
      name: 'there was something to check',
      ok: sum('delivered') > 0 && staying > 0,
      seen: `${sum('honest')} honest connections, ${sum('hostile')} hostile`
    },
    {
      name: 'app.close() told every honest client 1001',
      ok: sum('got1001') === staying,
      seen: `${sum('got1001')} of ${staying}`
    },
    {
      name: 'the process ended by itself with 0',
      ok: exit.code === 0,
      seen: `code ${exit.code}, signal ${exit.signal}`
    },
    {
      name: 'within the shutdown timeout',
      ok: took <= shutdownTimeout,
      seen: `${Math.round(took)} of ${shutdownTimeout} ms`
    },
    {
      name: 'the heap did not grow',
      ok: gained <= limit,
      seen: `${(slope / 1024).toFixed(2)} KiB/s, ${(gained / MIB).toFixed(2)} MiB over the second half (at most ${(limit / MIB).toFixed(2)})`
    },
    {
      name: 'handles did not grow',
      ok: handles <= handleLimit,
      seen: `${handles.toFixed(1)} more beside the sockets (at most ${handleLimit.toFixed(0)})`
    },
    {
      name: 'no unhandled rejection, exception or warning',
      ok: faults.length === 0,
      seen: list(`${faults.length}`, faults)
    },
    {
      name: 'no error was logged',
      ok: (closed?.logged.length ?? 0) === 0,
      seen: list(`${closed?.logged.length ?? 0}`, closed?.logged ?? [])
    }
  ]
}

function list(head, notes) {
  return [head, ...notes.slice(0, 10)].join('\n      ')
}
