import { get } from './api.js'
import { Charts } from './charts.js'
import { Details } from './details.js'
import { byId, setText } from './dom.js'
import { counted, time } from './format.js'
import { showChoices, showConnections, showNodes, showRooms, showTotals } from './tables.js'

/** How often the page asks. A sample is taken every five seconds, but lists change more often. */
const EVERY = 2500

/** On a touch screen, what was tapped last counts as hovered. */
const IN_USE = matchMedia('(hover: hover)').matches ? ':hover, :focus-within' : ':focus-within'

const charts = new Charts()
const details = new Details()
let answeredAt
let timer
/** Counts the questions: an answer to an earlier one is not shown. */
let asked = 0

/** What is chosen in a list; undefined stands for all. */
function chosen(id) {
  return byId(id).value || undefined
}

/** `isChanged`: the user has chosen something else. */
async function refresh(isChanged = false) {
  clearTimeout(timer)
  const question = ++asked
  try {
    const [overview, list] = await Promise.all([
      get('overview', { node: chosen('node'), route: chosen('route') }),
      get('connections', { node: chosen('node'), order: new FormData(byId('order')).get('order') ?? undefined })
    ])
    if (question === asked) show(overview, list, isChanged)
    await details.refresh()
  } catch (error) {
    if (question === asked) showTrouble(error)
  }
  // A page in the background costs nothing.
  if (question === asked && !document.hidden) timer = setTimeout(() => refresh(), EVERY)
}

function show(overview, { connections }, isChanged) {
  answeredAt = Date.now()
  byId('content').removeAttribute('aria-busy')
  delete byId('content').dataset.old
  const isCluster = overview.nodeCount > 1
  byId('node-choice').hidden = !isCluster && byId('node').value === ''
  showChoices(
    byId('node'),
    'All nodes',
    overview.nodes.map(({ id }) => [id, id])
  )
  showChoices(
    byId('route'),
    'All routes',
    // Upgrades for which there is no route count in the total only.
    overview.routes.filter(([name]) => name !== '').map(([name]) => [name, name])
  )
  charts.show(overview)
  showNodes(overview)
  showTotals(overview.stats)
  showRooms(overview)
  // A row must not move away under the pointer, or lose the focus of the keyboard.
  const isHeld = !isChanged && byId('connections-table').matches(IN_USE)
  byId('held').hidden = !isHeld
  if (!isHeld) showConnections(connections, open)
  showState(overview)
}

function showState({ nodes, stats }) {
  const missing = nodes.filter(({ state }) => state !== 'answers').length
  if (missing > 0) return setState('warn', `${counted(missing, 'node is', 'nodes are')} missing in these numbers`)
  if (stats === undefined) return setState('warn', 'There is nothing to show of this choice')
  return setState('good', 'Live, every 5 seconds')
}

function showTrouble({ status, message }) {
  if (answeredAt !== undefined) byId('content').dataset.old = 'true'
  const since = answeredAt === undefined ? '' : ` These are the numbers of ${time(answeredAt)}.`
  if (status === 401 || status === 403) setState('bad', `The server asks who you are: reload the page.${since}`)
  else
    setState(
      'bad',
      `${status === 0 ? 'The server does not answer' : `The server has trouble: ${message}`}. Trying again…${since}`
    )
}

function setState(kind, text) {
  byId('state').dataset.state = kind
  setText(byId('state'), text)
}

async function open(id) {
  const note = byId('search-note')
  try {
    await details.open(id)
    note.hidden = true
  } catch (error) {
    note.hidden = false
    setText(note, `Not found: ${error.message}.`)
  }
}

byId('choice').addEventListener('change', () => refresh(true))
byId('choice').addEventListener('submit', (event) => event.preventDefault())
byId('order').addEventListener('change', () => refresh(true))
byId('search').addEventListener('submit', (event) => {
  event.preventDefault()
  void open(byId('search-id').value.trim())
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh()
})
void refresh()
