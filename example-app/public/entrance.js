import { linkedRoom, suggestedName } from './tab.js'
import { byId } from './view.js'

const name = byId('name')
const room = byId('room')
const error = byId('enter-error')

/** The form in which a guest enters a name and a room. */
export class Entrance {
  /** @param onEnter `(name, room)` */
  constructor(onEnter) {
    byId('enter').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit(onEnter)
    })
  }

  /** Shows the form for the first time in this tab. */
  async greet() {
    room.value = linkedRoom() || room.value
    name.focus()
    const suggestion = await suggestedName()
    // The user may have typed a name in the meantime.
    if (name.value !== '' || suggestion === '') return
    name.value = suggestion
    if (document.activeElement === name) name.select()
  }

  /** Shows the form again, with the earlier input and the reason. */
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
