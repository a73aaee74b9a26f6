/** An element. Text goes in as text, never as markup. */
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

/** A round sign with the first letter, in a colour that stays with the name. */
export function avatar(name) {
  const sign = el('span', { className: 'avatar' })
  paintAvatar(sign, name)
  sign.setAttribute('aria-hidden', 'true')
  return sign
}

export function paintAvatar(sign, name) {
  sign.textContent = [...name][0].toUpperCase()
  sign.dataset.colour = colourOf(name)
}

export function messageRow({ from, text, at }, { isOwn, isContinued }) {
  const row = el('div', { className: 'message', dataset: { own: isOwn, continued: isContinued } })
  const bubble = el('div', { className: 'bubble' })
  const body = el('p', { className: 'text', dir: 'auto', textContent: text })
  const author = el('span', { className: isContinued || isOwn ? 'author sr-only' : 'author', textContent: isOwn ? 'You' : from.name })
  bubble.append(author, body, time(at))
  row.append(avatar(from.name), bubble)
  row.dataset.author = colourOf(from.name)
  return row
}

export function noticeRow(text, at) {
  return el('p', { className: 'notice' }, el('span', { textContent: text }), ' ', time(at))
}

export function announcementRow({ text, at }) {
  return el(
    'div',
    { className: 'announcement' },
    el('p', { className: 'author' }, el('span', { textContent: 'To all rooms' }), time(at)),
    el('p', { className: 'text', dir: 'auto', textContent: text })
  )
}

export function roomItem({ name, members }, isCurrent) {
  const button = el('button', { type: 'button', dataset: { room: name } })
  button.append(el('span', { className: 'room-name', textContent: name }), count(members))
  if (isCurrent) button.setAttribute('aria-current', 'true')
  return el('li', {}, button)
}

export function personItem(name, isSelf) {
  const item = el('li', {}, avatar(name), el('span', { className: 'person', textContent: name }))
  if (isSelf) item.append(el('span', { className: 'you', textContent: 'you' }))
  return item
}

function count(members) {
  const label = members === 1 ? '1 person' : `${members} people`
  return el('span', { className: 'count', title: label }, el('span', { textContent: members }), el('span', { className: 'sr-only', textContent: ` ${label.split(' ')[1]}` }))
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

function time(at) {
  const date = new Date(at)
  return el('time', { dateTime: date.toISOString(), title: calendar.format(date), textContent: clock.format(date) })
}

function colourOf(name) {
  let hash = 0
  for (const char of name.toLowerCase()) hash = (hash * 33 + char.codePointAt(0)) % 9973
  return hash % 8
}
