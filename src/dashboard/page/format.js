const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

const UNKNOWN = '–'

/** A count. */
export function count(value) {
  return value === null || value === undefined ? UNKNOWN : whole.format(value)
}

/** A number per second. */
export function rate(value) {
  if (value === null || value === undefined) return UNKNOWN
  return value < 100 ? tenths.format(value) : whole.format(value)
}

/** A number for the axis of a chart. */
export function compact(value) {
  return short.format(value)
}

export function milliseconds(value) {
  if (value === null || value === undefined) return UNKNOWN
  return value < 1000 ? `${whole.format(value)} ms` : `${tenths.format(value / 1000)} s`
}

export function bytes(value) {
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const step = Math.min(units.length, Math.floor(Math.log2(value) / 10))
  return `${tenths.format(value / 1024 ** step)} ${units[step - 1]}`
}

/** A time in seconds. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

export function time(date) {
  return clock.format(date)
}

/** `1 node`, `2 nodes`. */
export function counted(number, one, many = `${one}s`) {
  return `${whole.format(number)} ${number === 1 ? one : many}`
}
