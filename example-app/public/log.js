import { addBubble, announcementRow, byId, counted, el, groupOf, noticeRow } from './view.js'

const MAX_ROWS = 500
const SAME_BREATH = 5 * 60_000
/** How many messages are kept for a reload. */
const MAX_KEPT = 100

/** The messages on the page: each once, in order, grouped by author, and at most MAX_ROWS. */
export class Log {
  #log = byId('log')
  #toEnd = byId('to-end')
  #onUnread
  #colours
  #seen = new Set()
  /** The last messages. */
  #messages = []
  /** The line that says that we have joined, and the element before which the next one is put, if it is not the last. */
  #entrance
  #before
  /** The elements of the lines, in order; the first ones are removed if there are too many. */
  #rows = []
  /** The group that the next message may belong to: { element, author, since }. */
  #group
  #marker
  #unread = 0

  /** @param onUnread is called with the number of unread messages. */
  constructor(colours, onUnread) {
    this.#colours = colours
    this.#onUnread = onUnread
    this.#toEnd.addEventListener('click', () => {
      this.#scrollToEnd()
      byId('text').focus()
    })
    document.addEventListener('visibilitychange', () => this.#look())
    // If the log was at its end before a resize, such as by the keyboard of a phone, it stays there.
    let wasAtEnd = true
    this.#log.addEventListener('scroll', () => {
      wasAtEnd = this.#isAtEnd()
      this.#look()
    })
    new ResizeObserver(() => wasAtEnd && this.#scrollToEnd()).observe(this.#log)
  }

  get isEmpty() {
    return this.#rows.length === 0
  }

  clear() {
    this.#log.replaceChildren()
    this.#rows = []
    this.#seen.clear()
    this.#messages = []
    this.#group = this.#marker = this.#entrance = this.#before = undefined
    this.#setUnread(0)
  }

  get messages() {
    return this.#messages
  }

  /** Ignores messages that are already there. Those that were said before we came are put above the line that says so. */
  message(message, { isOwn, isOld = false }) {
    if (this.#seen.has(message.id)) return
    this.#seen.add(message.id)
    this.#messages = [...this.#messages, message].slice(-MAX_KEPT)
    this.#goTo(isOld ? this.#entrance : undefined)
    const isNews = !isOwn && !isOld
    this.#append(isNews, isOwn, () => {
      const group = this.#groupFor(message, isOwn)
      return addBubble(group, message, isOwn)
    })
  }

  announcement(announcement) {
    this.#append(true, false, () => this.#line(announcementRow(announcement)))
  }

  notice(parts, at = Date.now()) {
    this.#append(false, false, () => this.#line(noticeRow([parts].flat(), at)))
  }

  /** A notice that we have joined. */
  entered(parts) {
    this.notice(parts)
    this.#entrance = this.#rows.at(-1)
  }

  #goTo(before) {
    if (this.#before === before) return
    this.#before = before
    this.#group = undefined
  }

  /** A group spans a few minutes at most, so that its time stays meaningful. */
  #groupFor(message, isOwn) {
    const { from, at } = message
    if (this.#group?.author !== from.id || at - this.#group.since >= SAME_BREATH) {
      const element = this.#put(groupOf(message, { isOwn, colour: this.#colours.of(from.id) }))
      this.#group = { element, author: from.id, since: at }
    }
    return this.#group.element
  }

  #line(row) {
    this.#group = this.#before = undefined
    return this.#put(row)
  }

  #put(element) {
    this.#log.insertBefore(element, this.#before ?? null)
    return element
  }

  #append(isNews, mustShow, add) {
    const wasAtEnd = this.#isAtEnd()
    const isUnseen = isNews && !(wasAtEnd && isLookedAt())
    if (isUnseen && this.#unread === 0) this.#mark()
    this.#rows.push(add())
    while (this.#rows.length > MAX_ROWS) this.#removeFirst()
    if (isUnseen) this.#setUnread(this.#unread + 1)
    if (mustShow || wasAtEnd) this.#scrollToEnd()
  }

  #removeFirst() {
    const row = this.#rows.shift()
    const group = row.closest('.group')
    row.remove()
    if (group?.querySelector('.bubble') !== null) return
    group.remove()
    if (this.#group?.element === group) this.#group = undefined
  }

  /** Marks where the unread messages begin. The mark stays until there are new ones again. */
  #mark() {
    this.#marker?.remove()
    this.#group = undefined
    this.#marker = this.#put(el('p', { className: 'marker' }, el('span', { textContent: 'New messages' })))
  }

  #look() {
    if (this.#unread > 0 && isLookedAt() && this.#isAtEnd()) this.#setUnread(0)
    this.#showToEnd()
  }

  #setUnread(unread) {
    this.#unread = unread
    this.#showToEnd()
    this.#onUnread(unread)
  }

  #showToEnd() {
    this.#toEnd.hidden = this.#isAtEnd()
    this.#toEnd.textContent =
      this.#unread > 0 ? `${counted(this.#unread, 'new message', 'new messages')} ↓` : 'To the latest ↓'
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log
    return scrollHeight - scrollTop - clientHeight < 60
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight
    this.#look()
  }
}

function isLookedAt() {
  return document.visibilityState === 'visible'
}
