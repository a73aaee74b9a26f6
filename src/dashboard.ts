// fastify-blaze-ws/dashboard: a page that shows the connections of a cluster.
export { default, default as dashboard } from './dashboard/plugin.ts'
export type { DashboardOptions } from './dashboard/options.ts'
