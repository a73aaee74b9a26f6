import { byId } from './view.js'

const panel = byId('panel')

byId('panel-open').addEventListener('click', () => openPanel(true))
byId('panel-close').addEventListener('click', () => openPanel(false))
byId('backdrop').addEventListener('click', () => openPanel(false))
document.addEventListener('keydown', ({ key }) => key === 'Escape' && openPanel(false))
// The drawer of a narrow window must not stay open over a wide one.
matchMedia('(max-width: 760px)').addEventListener('change', () => openPanel(false))

/** On a narrow screen, the panel with rooms and people is a drawer over the chat. */
export function openPanel(isOpen) {
  const wasOpen = panel.dataset.open === 'true'
  panel.dataset.open = isOpen
  byId('panel-open').setAttribute('aria-expanded', isOpen)
  byId('backdrop').hidden = !isOpen
  byId('chat').inert = isOpen
  if (isOpen) byId('panel-close').focus()
  else if (wasOpen) byId('panel-open').focus()
}
