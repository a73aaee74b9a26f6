import { partsOf } from './links.js'

/** Creates an element. Text is inserted as text, never as HTML. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  const { dataset, ...rest } = properties
  Object.assign(element, rest)
  Object.assign(element.dataset, dataset)
  element.append(...children)
  return element
}

export function byId(id) {
  return document.getElementById(id)
}

/** A name in its own text direction, independent of the text around it. */
export function nameOf(name, className = '') {
  return el('bdi', { className, textContent: name })
}

const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** A circle with the first letter of the name, in the colour of the person. */
export function avatar({ id, name }, colour) {
  const [{ segment }] = letters.segment(name)
  const sign = el('span', { className: 'avatar', textContent: segment.toUpperCase(), dataset: { person: id, colour } })
  sign.setAttribute('aria-hidden', 'true')
  return sign
}

/** Changes the colour of a person on the whole page. */
export function repaint(id, colour) {
  for (const element of document.querySelectorAll(`[data-person="${CSS.escape(id)}"]`)) element.dataset.colour = colour
}

/** The messages of one person within a few minutes: a name, a time, and the bubbles that `addBubble` adds. */
export function groupOf({ from, at }, { isOwn, colour }) {
  const group = el('div', { className: 'group', dataset: { own: isOwn } })
  const author = nameOf(isOwn ? 'You' : from.name, isOwn ? 'author sr-only' : 'author')
  if (!isOwn) Object.assign(author.dataset, { person: from.id, colour })
  const said = el('div', { className: 'said' }, el('p', { className: 'head' }, author, ' ', time(at)))
  if (!isOwn) group.append(avatar(from, colour))
  group.append(said)
  return group
}

/** A screen reader reads each bubble on its own, so every bubble after the first repeats the name for it. */
export function addBubble(group, { from, text, at }, isOwn) {
  const said = group.querySelector('.said')
  const bubble = el('div', { className: 'bubble', title: calendar.format(at) })
  const isFirst = said.querySelector('.bubble') === null
  if (!isFirst) bubble.append(el('span', { className: 'sr-only', textContent: `${isOwn ? 'You' : from.name}: ` }))
  bubble.append(body(text))
  said.append(bubble)
  return bubble
}

/** Each line has its own text direction. */
function body(text) {
  const lines = text
    .split('\n')
    .map((line) =>
      el('span', { className: 'line', dir: 'auto' }, ...(line === '' ? [el('br')] : partsOf(line).map(inline)))
    )
  return el('p', { className: 'text' }, ...lines)
}

function inline({ text, href }) {
  return href === undefined
    ? text
    : el('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow', dir: 'ltr', textContent: text })
}

/** @param parts strings, and elements such as names */
export function noticeRow(parts, at) {
  return el('p', { className: 'notice' }, el('span', {}, ...parts), ' ', time(at))
}

export function announcementRow({ text, at }) {
  return el(
    'div',
    { className: 'announcement' },
    el('p', { className: 'head' }, el('span', { className: 'author', textContent: 'To all rooms' }), time(at)),
    body(text)
  )
}

export function roomItem({ name, members }, isCurrent) {
  const button = el('button', { type: 'button', dataset: { room: name } })
  button.append(nameOf(name, 'room-name'), count(members))
  if (isCurrent) button.setAttribute('aria-current', 'true')
  return el('li', {}, button)
}

export function personItem(person, colour, isSelf) {
  const item = el('li', { dataset: { self: isSelf } }, avatar(person, colour), nameOf(person.name, 'person'))
  if (isSelf) item.append(el('span', { className: 'you', textContent: 'you' }))
  return item
}

/** 1 person, 2 people. */
export function counted(number, one, many) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`
}

function count(members) {
  const label = counted(members, 'person', 'people')
  return el(
    'span',
    { className: 'count', title: label },
    el('span', { textContent: members }),
    el('span', { className: 'sr-only', textContent: ` ${label.split(' ')[1]}` })
  )
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

function time(at) {
  const date = new Date(at)
  return el('time', { dateTime: date.toISOString(), title: calendar.format(date), textContent: clock.format(date) })
}
