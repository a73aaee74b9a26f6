/** For whatever runs the chat: `/health/live` says that the process answers, `/health/ready` whether it takes guests. */
export async function healthRoutes(app) {
  const options = { logLevel: 'warn' }
  app.get('/health/live', options, async () => app.wsHealth())
  app.get('/health/ready', options, async (_request, reply) => {
    const health = app.wsHealth()
    return reply.code(health.isReady ? 200 : 503).send(health)
  })
}
