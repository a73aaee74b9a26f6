import { ClientError } from 'fastify-blaze-ws/client'
import { byId } from './view.js'

const MAX_TEXT = 2000
const NOT_CONNECTED = 'Not connected: your message waits here.'

const field = byId('text')
const hintLine = byId('hint')

/** The message box. A sent message leaves it, and comes back if it did not arrive. */
export class Composer {
  #send
  #typing
  #isOnline = false
  /** Messages that the server has not confirmed yet, in order. */
  #unconfirmed = new Set()

  /** @param send `(text)`; resolves when the server has the message. */
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

  show({ room, isOnline }) {
    field.placeholder = `Message #${room}`
    this.#isOnline = isOnline
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
    if (!this.#isOnline) return hint(NOT_CONNECTED)
    void this.#deliver({ text })
    this.#typing.sent()
    field.value = ''
    hint('')
  }

  async #deliver(message) {
    this.#unconfirmed.add(message)
    try {
      await this.#send(message.text)
      this.#unconfirmed.delete(message)
    } catch (error) {
      if (error instanceof ClientError) return this.#takeAllBack()
      this.#takeBack(message)
      hint(error.message)
    }
  }

  /** The connection is lost, and all unconfirmed messages with it. The last one comes back first, to keep their order. */
  #takeAllBack() {
    if (this.#unconfirmed.size === 0) return
    for (const message of [...this.#unconfirmed].toReversed()) this.#takeBack(message)
    hint('Not delivered: your message is back in the box.')
  }

  /** Puts a message that did not arrive back into the box, before the text that was typed since. */
  #takeBack(message) {
    this.#unconfirmed.delete(message)
    field.value = field.value === '' ? message.text : `${message.text}\n${field.value}`
  }
}

export function hint(text) {
  hintLine.textContent = text
}
