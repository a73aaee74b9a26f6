import { checkSlowConsumer, type SlowConsumerPolicy } from '../config.ts'
import { invalidOption } from '../errors.ts'
import { entriesOf } from '../options.ts'

/** The options of a hub. */
export interface HubOptions {
  /** What this hub does for a full send queue, whatever the connection's route says. @default that of the route */
  slowConsumer?: SlowConsumerPolicy
}

/** Checks and copies a hub's options. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveHubOptions(options: unknown, name = 'hub'): HubOptions {
  const resolved: HubOptions = {}
  for (const [key, value] of entriesOf(options, name)) {
    if (key !== 'slowConsumer') throw invalidOption(`${name}.${key}`, 'is unknown; allowed is slowConsumer')
    checkSlowConsumer(value, `${name}.${key}`)
    resolved.slowConsumer = value as SlowConsumerPolicy
  }
  return resolved
}
