/** What this tab remembers after a reload, and what the next visit starts with. Each tab is a guest of its own. */

/** A secret of this tab, by which the server recognizes us. */
export function key() {
  const kept = sessionStorage.getItem('key')
  if (kept !== null) return kept
  const made = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  sessionStorage.setItem('key', made)
  return made
}

/** Where this tab was before it was reloaded: { name, room, me }, or null. */
export function keptPlace() {
  return JSON.parse(sessionStorage.getItem('chat') ?? 'null')
}

export function keepPlace({ name, room, me }) {
  sessionStorage.setItem('chat', JSON.stringify({ name, room, me }))
  localStorage.setItem('name', name)
  history.replaceState(null, '', `#${encodeURIComponent(room)}`)
}

export function forgetPlace() {
  sessionStorage.removeItem('chat')
  sessionStorage.removeItem('shown')
}

/** What this tab shows, and where it is in the room: the two belong together. */
export function keepShown(messages, positions) {
  sessionStorage.setItem('shown', JSON.stringify({ messages, positions }))
}

/** The same after a reload. */
export function keptShown() {
  return JSON.parse(sessionStorage.getItem('shown') ?? '{ "messages": [] }')
}

/** The name of the last visit, or a similar one if that name is taken; '' if there was no visit. */
export async function suggestedName() {
  const last = localStorage.getItem('name')
  if (last === null) return ''
  try {
    const response = await fetch(`/name?like=${encodeURIComponent(last)}`)
    return response.ok ? (await response.json()).name : ''
  } catch {
    return ''
  }
}

/** The room in the link to this page; '' if there is none. */
export function linkedRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1))
  } catch {
    return ''
  }
}
