// In an application that has started the SDK of OpenTelemetry for something else. Compare `blaze-otel` with it.
import blazeWs from '../../../dist/esm/index.js'
import { startSdk } from '../../otel-sdk.mjs'
import { startWith } from '../blaze.mjs'

export const start = (options) => {
  startSdk()
  return startWith(blazeWs, options)
}
