import { describeWith, Engine, installed } from '../cluster/support/engines.ts'
import { ChatServer } from '../integration/chat-server.ts'
import { eventually } from '../support/server.ts'
import { queriesOf, readDashboard } from './support/dashboard.ts'

/** The answer of the API to a query. */
interface Answer {
  status: string
  error?: string
  data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
}

describeWith(installed('prometheus'), 'a Prometheus that scrapes the example', () => {
  let chat: ChatServer
  let prometheus: Engine

  beforeAll(async () => {
    chat = await ChatServer.start()
    prometheus = await Engine.prometheus(chat.port)
  }, 60_000)

  afterAll(async () => {
    chat.dropClients()
    await prometheus.close()
    await chat.stop()
  })

  async function query(expression: string): Promise<Answer> {
    const url = `http://127.0.0.1:${prometheus.port}/api/v1/query?query=${encodeURIComponent(expression)}`
    return (await (await fetch(url)).json()) as Answer
  }

  /** The value of an expression that has one; undefined as long as Prometheus has none. */
  async function valueOf(expression: string): Promise<number | undefined> {
    const value = (await query(expression)).data?.result[0]?.value[1]
    return value === undefined ? undefined : Number(value)
  }

  const shows = (expression: string, wanted: number): Promise<void> =>
    eventually(async () => (await valueOf(expression)) === wanted, `${expression} = ${wanted}`)

  test('has the right number of connections', async () => {
    await Promise.all(['Ann', 'Bob', 'Cyd'].map((name) => chat.guest(name, 'lobby')))
    await shows('sum(fastify_blaze_ws_connections{route="/ws"})', 3)
    await shows('fastify_blaze_ws_hub_clients{hub="wsHub"}', 3)
    await shows('sum(fastify_blaze_ws_call_duration_seconds_count{method="join",code="ok"})', 3)
    chat.dropClients()
    await shows('sum(fastify_blaze_ws_connections{route="/ws"})', 0)
    await shows('sum(fastify_blaze_ws_closed_total{route="/ws",code="1006"})', 3)
  })

  test('understands every query of the dashboard', async () => {
    const answers = queriesOf(readDashboard()).map(async (expression) => {
      const ready = expression
        .replaceAll('$__rate_interval', '1m')
        .replaceAll('$job', 'chat')
        .replaceAll('$instance', '.*')
      return [expression, await query(ready)] as const
    })
    const failed = (await Promise.all(answers)).filter(([, { status }]) => status !== 'success')
    expect(failed).toEqual([])
  })
})
