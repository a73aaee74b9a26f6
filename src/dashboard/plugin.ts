import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { type DashboardOptions, addHooks } from './options.ts'
import { addHeaders, addPage } from './page.ts'
import { addData } from './data.ts'
import { Questions } from './questions.ts'
import { Sampler } from './sampler.ts'

async function dashboard(app: FastifyInstance, options: DashboardOptions): Promise<void> {
  addHeaders(app)
  addHooks(app, options)
  addPage(app)
  const sampler = new Sampler(() => app.wsStats())
  addData(app, new Questions(app, sampler))
  app.addHook('onReady', async () => sampler.start())
  app.addHook('onClose', async () => sampler.stop())
}

/**
 * A page that shows the connections of all nodes: `app.register(dashboard, { prefix: '/realtime', onRequest })`. Register it after
 * `fastify-blaze-ws`, on each node. It needs the package `uplot`.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 * @throws FST_BLAZE_WS_MISSING_PACKAGE if `uplot` is not installed.
 */
export default fastifyPlugin(dashboard, {
  name: 'fastify-blaze-ws-dashboard',
  fastify: '5.x',
  dependencies: ['fastify-blaze-ws'],
  encapsulate: true
})
