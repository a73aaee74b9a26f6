// With the metrics and spans for OpenTelemetry, one trace in a hundred.
import blazeWs from '../../../dist/esm/index.js'
import { openTelemetry } from '../../../dist/esm/otel.js'
import { startSdk } from '../../otel-sdk.mjs'
import { startWith } from '../blaze.mjs'

export const start = (options) => {
  startSdk()
  return startWith(blazeWs, options, (app) => void app.register(openTelemetry))
}
