// What it costs to be observed. The contenders are this package without a subscriber, and with the observers in contenders/observed.
// BLAZE_BASELINE=<folder of a built version> adds a version to compare with: what nobody observes should cost nothing.
const row = (id, title, rest) => ({
  id: `observed-${id}`,
  title,
  folder: 'observed',
  goal: [
    { peer: 'blaze-baseline', max: 1.03 },
    ...['blaze-channels', 'blaze-prometheus', 'blaze-otel-sdk', 'blaze-otel'].map((peer) => ({ peer }))
  ],
  ...rest
})

const echo = { kind: 'echo', connections: 64, size: 64 }
const broadcast = { kind: 'broadcast', connections: 1000, size: 128 }

export const observed = [
  row('echo-1', 'observed echo, 64 connections, 1 in flight, 64 B', { ...echo, inFlight: 1 }),
  row('echo-16', 'observed echo, 64 connections, 16 in flight, 64 B', { ...echo, inFlight: 16 }),
  row('broadcast-1', 'observed broadcast of 128 B to 1000, one at a time', { ...broadcast, burst: 1 }),
  row('broadcast-32', 'the same in bursts of 32 in one tick', { ...broadcast, burst: 32 })
]
