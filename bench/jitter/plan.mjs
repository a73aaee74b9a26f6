// When what goes wrong. The same seed gives the same plan, in the harness, the proxy and the clients.
import { Dice } from '../../__tests__/soak/random.mjs'

/** The run for which the times below are meant, in seconds. A shorter one has shorter absences. */
const FULL = 120
const KINDS = ['cut', 'freeze', 'delay']

/** How much shorter than in a full run everything takes. */
const scaleOf = (seconds) => Math.min(1, seconds / FULL)

/**
 * The faults of the servers, in milliseconds after the beginning. In a rolling restart, a node that has not ended `within` that time is
 * killed: connections that are frozen cannot be closed in good order, and a process manager would not wait for them either.
 */
export function faultsOf(seconds) {
  const scale = scaleOf(seconds)
  return {
    kill: { at: (seconds * 1000) / 3, away: 5_000 * scale },
    rolling: { at: (seconds * 1000) / 2, within: Math.max(1_500, 5_000 * scale), pause: 1_000 * scale },
    engine: { at: (seconds * 1000 * 95) / FULL, away: 2_000 * Math.max(0.25, scale) }
  }
}

/**
 * The absences of a client, in their order: `from` and `to` in milliseconds after the beginning. `delay` is the latency that is added
 * to all bytes. During a cut, attempts to connect are either refused, or held without an answer.
 */
export function absencesOf({ seed, seconds }, client) {
  const dice = new Dice(seed * 1_000_003 + client)
  const scale = scaleOf(seconds)
  const span = () => dice.between(5_000, 30_000) * scale
  const absences = []
  for (let from = dice.between(1_000, 30_000) * scale; ;) {
    const absence = { from, to: from + span(), kind: dice.pick(KINDS) }
    absence.delay = absence.kind === 'delay' ? dice.integer(100, 2_000) : 0
    absence.isRefused = dice.chance(0.5)
    if (absence.to > seconds * 1000) return absences
    absences.push(absence)
    from = absence.to + span()
  }
}
