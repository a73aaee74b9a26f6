import { byId } from './view.js'

const MAX_TEXT = 2000
const NOT_CONNECTED = 'Not connected: your message waits here.'

const field = byId('text')
const hintLine = byId('hint')

/** The message box. A sent message leaves it, and comes back if it did not arrive. */
export class Composer {
  #send
  #typing
  #refs = 0
  /** Messages that the server has not confirmed yet: ref → text. */
  #unconfirmed = new Map()

  /** @param send `(text, ref)`; returns false if the message cannot be sent now. */
  constructor(send, typing) {
    this.#send = send
    this.#typing = typing
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit()
    })
    field.addEventListener('keydown', (event) => {
      // While an input method composes a character, Enter belongs to it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      this.#submit()
    })
    field.addEventListener('input', () => {
      hint('')
      typing.changed(field.value)
    })
  }

  confirm(ref) {
    this.#unconfirmed.delete(ref)
  }

  /** Puts a message that did not arrive back into the box, before the text that was typed since. */
  takeBack(ref) {
    const text = this.#unconfirmed.get(ref)
    if (text === undefined) return
    this.#unconfirmed.delete(ref)
    field.value = field.value === '' ? text : `${text}\n${field.value}`
  }

  /** Takes back all unconfirmed messages, the last one first to keep their order. False if there are none. */
  takeAllBack() {
    const refs = [...this.#unconfirmed.keys()].toReversed()
    for (const ref of refs) this.takeBack(ref)
    return refs.length > 0
  }

  show({ room, isOnline }) {
    field.placeholder = `Message #${room}`
    byId('send').disabled = !isOnline
    if (isOnline && hintLine.textContent === NOT_CONNECTED) hint('')
  }

  /** Focuses the box, except on touch screens, which would open their keyboard. */
  focus() {
    if (matchMedia('(pointer: fine)').matches) field.focus()
  }

  #submit() {
    const text = field.value.trim()
    if (text === '') return
    if (text.length > MAX_TEXT) return hint(`The message has ${text.length} characters. The limit is ${MAX_TEXT}.`)
    const ref = `m${++this.#refs}`
    if (!this.#send(text, ref)) return hint(NOT_CONNECTED)
    this.#unconfirmed.set(ref, text)
    this.#typing.sent()
    field.value = ''
    hint('')
  }
}

export function hint(text) {
  hintLine.textContent = text
}
