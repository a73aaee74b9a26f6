/** The title and the icon of the tab: the room, and the number of unread messages. */
export class Title {
  #room = ''
  #unread = 0

  setRoom(room) {
    this.#room = room
    this.#show()
  }

  setUnread(unread) {
    this.#unread = unread
    this.#show()
  }

  #show() {
    const count = this.#unread > 0 ? `(${this.#unread > 99 ? '99+' : this.#unread}) ` : ''
    document.title = this.#room === '' ? 'Blaze Chat' : `${count}#${this.#room} – Blaze Chat`
    const icon = this.#unread > 0 ? 'icon-unread.svg' : 'icon.svg'
    const link = document.querySelector('link[rel=icon]')
    if (link.getAttribute('href') !== icon) link.setAttribute('href', icon)
  }
}
