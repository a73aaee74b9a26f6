/** What this tab remembers through a reload, and what the next visit begins with. Another tab is another guest. */

/** A secret of this tab, by which the server knows us again. */
export function key() {
  const kept = sessionStorage.getItem('key')
  if (kept !== null) return kept
  const made = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  sessionStorage.setItem('key', made)
  return made
}

/** Where this tab was before it was reloaded: { name, room }, or null. */
export function keptPlace() {
  return JSON.parse(sessionStorage.getItem('chat') ?? 'null')
}

export function keepPlace({ name, room }) {
  sessionStorage.setItem('chat', JSON.stringify({ name, room }))
  localStorage.setItem('name', name)
  history.replaceState(null, '', `#${encodeURIComponent(room)}`)
}

export function forgetPlace() {
  sessionStorage.removeItem('chat')
}

/** The name of the last visit, or one like it where somebody has that name now; '' where there is none. */
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

/** The room that a link to this page names; '' where it names none. */
export function linkedRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1))
  } catch {
    return ''
  }
}
