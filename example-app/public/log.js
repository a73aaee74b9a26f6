import { announcementRow, byId, messageRow, noticeRow } from './view.js'

const MAX_ROWS = 500
const SAME_BREATH = 5 * 60_000

/** The messages on the page: each once, in order, and not more than a page can bear. */
export class Log {
  #rows = byId('log')
  #toEnd = byId('to-end')
  #seen = new Set()
  #last

  constructor() {
    this.#toEnd.addEventListener('click', () => {
      this.#scrollToEnd()
      byId('text').focus()
    })
    this.#rows.addEventListener('scroll', () => {
      if (this.#isAtEnd()) this.#toEnd.hidden = true
    })
    // The keyboard of a phone, a longer message being typed: whoever was reading the end goes on reading it.
    let wasAtEnd = true
    this.#rows.addEventListener('scroll', () => (wasAtEnd = this.#isAtEnd()))
    new ResizeObserver(() => wasAtEnd && this.#scrollToEnd()).observe(this.#rows)
  }

  clear() {
    this.#rows.replaceChildren()
    this.#seen.clear()
    this.#last = undefined
    this.#toEnd.hidden = true
  }

  /** False where it is already there: after a reconnect the server sends again what we may have missed. */
  message(message, isOwn) {
    if (this.#seen.has(message.id)) return false
    this.#seen.add(message.id)
    const isContinued = this.#last?.from.name === message.from.name && message.at - this.#last.at < SAME_BREATH
    this.#append(messageRow(message, { isOwn, isContinued }), isOwn)
    this.#last = message
    return true
  }

  notice(text, at = Date.now()) {
    this.#append(noticeRow(text, at))
    this.#last = undefined
  }

  announcement(announcement) {
    this.#append(announcementRow(announcement))
    this.#last = undefined
  }

  #append(row, mustShow = false) {
    const follow = mustShow || this.#isAtEnd()
    this.#rows.append(row)
    while (this.#rows.childElementCount > MAX_ROWS) this.#rows.firstElementChild.remove()
    if (follow) this.#scrollToEnd()
    else this.#toEnd.hidden = false
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#rows
    return scrollHeight - scrollTop - clientHeight < 60
  }

  #scrollToEnd() {
    this.#rows.scrollTop = this.#rows.scrollHeight
  }
}
