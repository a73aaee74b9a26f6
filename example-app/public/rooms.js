import { openPanel } from './panel.js'
import { byId, roomItem } from './view.js'

const list = byId('rooms')

/** The list of rooms. */
export class RoomList {
  #rooms = []

  /** @param onChoose `(room)`; returns false if we cannot go there now. */
  constructor(onChoose) {
    list.addEventListener('click', (event) => {
      const room = event.target.closest('button')?.dataset.room
      if (room !== undefined && onChoose(room)) openPanel(false)
    })
    byId('new-room').addEventListener('submit', (event) => {
      event.preventDefault()
      const field = byId('new-room-name')
      const room = field.value.trim()
      if (room === '' || !onChoose(room)) return field.focus()
      field.value = ''
      openPanel(false)
    })
  }

  set(rooms) {
    this.#rooms = rooms
  }

  /** Always offers the lobby and the current room. For the current room, the list of people has the number. */
  show({ room: current, people, isOnline }) {
    const focused = document.activeElement?.dataset?.room
    const rooms = this.#rooms.map((room) => (room.name === current ? { ...room, members: people } : room))
    for (const name of ['lobby', current]) {
      if (!rooms.some((room) => room.name === name)) rooms.push({ name, members: name === current ? people : 0 })
    }
    list.replaceChildren(...rooms.map((room) => roomItem(room, room.name === current)))
    for (const button of list.querySelectorAll('button')) {
      button.disabled = !isOnline
      if (button.dataset.room === focused) button.focus()
    }
  }
}
