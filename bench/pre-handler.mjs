// The preHandler of the reconnect storm: it looks up a session, which takes a few turns of the microtask queue.
const sessions = new Map([['secret', { user: 'Ada' }]])
const find = async (token) => sessions.get(token)

export const path = '/?token=secret'

export async function preHandler(request) {
  if ((await find(request.query.token)) === undefined) throw new Error('unknown token')
}
