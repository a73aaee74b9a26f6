import { byId } from './view.js'

const MAX_TEXT = 2000
const NOT_CONNECTED = 'Not connected: your message waits here.'

const field = byId('text')
const hintLine = byId('hint')

/** The box that messages are typed in. One leaves it when it is sent, and comes back to it when it did not arrive. */
export class Composer {
  #send
  #typing
  #refs = 0
  /** What was sent and has not come back yet: ref → text. */
  #unconfirmed = new Map()

  /** @param send `(text, ref)`; gives false where it cannot be sent now */
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

  /** Text that did not arrive goes back to where it was typed, before what was typed since. */
  takeBack(ref) {
    const text = this.#unconfirmed.get(ref)
    if (text === undefined) return
    this.#unconfirmed.delete(ref)
    field.value = field.value === '' ? text : `${text}\n${field.value}`
  }

  /** False where nothing was on its way. The last goes first, so that they end up in the order they were typed. */
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

  /** Not where that would bring up a keyboard on the screen. */
  focus() {
    if (matchMedia('(pointer: fine)').matches) field.focus()
  }

  #submit() {
    const text = field.value.trim()
    if (text === '') return
    if (text.length > MAX_TEXT) return hint(`That is ${text.length} characters long, ${MAX_TEXT} is the most.`)
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
