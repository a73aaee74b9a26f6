import { schemaText } from './schema-text.js'
import { byId, el } from './view.js'

/** Who begins, and whether there is an answer. An operation is named from the side of the server. */
const GROUPS = [
  ['Clients call', ({ action, reply }) => action === 'receive' && reply !== undefined],
  ['Clients send', ({ action, reply }) => action === 'receive' && reply === undefined],
  ['The server sends', ({ action, reply }) => action === 'send' && reply === undefined],
  ['The server asks', ({ action, reply }) => action === 'send' && reply !== undefined]
]

/** The value that a reference within the document is for. A `/` in a name is written as `~1`, and a `~` as `~0`. */
function resolve(document, { $ref }) {
  const keys = $ref.split('/').slice(1)
  return keys.reduce((value, key) => value[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)
}

function channelSection(document, key) {
  const { address, description = '' } = document.channels[key]
  const operations = Object.values(document.operations).filter(({ channel }) => channel.$ref === `#/channels/${key}`)
  const groups = GROUPS.flatMap(([title, belongs]) => groupOf(document, title, operations.filter(belongs)))
  return el(
    'section',
    {},
    el('h2', {}, el('code', { textContent: address })),
    el('p', { className: 'lead', textContent: description }),
    ...groups
  )
}

function groupOf(document, title, operations) {
  if (operations.length === 0) return []
  const items = operations.map((operation) => operationItem(document, operation))
  return [el('h3', { textContent: title }), el('div', { className: 'operations' }, ...items)]
}

function operationItem(document, { title, messages, reply }) {
  const all = [...messages, ...(reply?.messages ?? [])].map((message) => resolve(document, message))
  return details(
    title,
    all.map(({ name, payload }) => [name === title ? '' : name, payload])
  )
}

/** @param schemas pairs of a title, which may be empty, and a schema. */
function details(title, schemas) {
  const parts = schemas.flatMap(([name, schema]) => [
    ...(name === '' ? [] : [el('p', { className: 'head', textContent: name })]),
    el('pre', { textContent: schemaText(schema) })
  ])
  return el('details', {}, el('summary', {}, el('code', { textContent: title })), ...parts)
}

function show(document) {
  const { channels, components = {}, info } = document
  byId('note').textContent = `${info.title} ${info.version}: what its clients and its server say to each other.`
  byId('channels').replaceChildren(...Object.keys(channels).map((key) => channelSection(document, key)))
  const schemas = Object.entries(components.schemas ?? {})
  byId('schemas').replaceChildren(
    ...schemas.map(([name, schema]) => details(name, [[schema.description ?? '', schema]]))
  )
}

try {
  show(await (await fetch('/asyncapi.json')).json())
} catch {
  byId('note').textContent = 'The server does not answer. Reload the page to try again.'
}
