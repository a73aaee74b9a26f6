import { linkedRoom, suggestedName } from './tab.js'
import { byId } from './view.js'

const name = byId('name')
const room = byId('room')
const error = byId('enter-error')

/** The form in front of the chat. */
export class Entrance {
  /** @param onEnter `(name, room)` */
  constructor(onEnter) {
    byId('enter').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit(onEnter)
    })
  }

  /** For whoever comes for the first time in this tab. */
  async greet() {
    room.value = linkedRoom() || room.value
    name.focus()
    const suggestion = await suggestedName()
    // The person may have been faster.
    if (name.value !== '' || suggestion === '') return
    name.value = suggestion
    if (document.activeElement === name) name.select()
  }

  /** Again, with what was entered, and why. */
  show(entered, why = '') {
    byId('entrance').hidden = false
    name.value = entered.name
    room.value = entered.room
    this.#refuse(why, name)
  }

  hide() {
    error.textContent = ''
    byId('entrance').hidden = true
  }

  #submit(onEnter) {
    const entered = { name: name.value.trim(), room: room.value.trim() }
    if (entered.name === '') return this.#refuse('Please enter your name.', name)
    if (entered.room === '') return this.#refuse('Please enter a room.', room)
    onEnter(entered.name, entered.room)
  }

  #refuse(why, field) {
    error.textContent = why
    field.focus()
  }
}
