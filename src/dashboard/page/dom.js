/** The element with an id. */
export function byId(id) {
  return document.getElementById(id)
}

/** Makes an element. Everything that is shown goes in as text, never as markup. */
export function el(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties)
  element.append(...children)
  return element
}

/** Writes only changes, because screen readers read what was written. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** A name or an id of which the direction of writing is not known. */
export function nameOf(name, className = '') {
  return el('bdi', { className, textContent: name, title: name })
}
