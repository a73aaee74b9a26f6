/** A web address: it ends at a space, a quotation mark, an angle bracket, or an invisible character. */
const ADDRESS = /(?<![\p{L}\p{N}_])https?:\/\/[^\s<>"“”„«»`\p{Cc}\p{Cf}]+/giu
const PUNCTUATION = /[.,;:!?…'’‘*_~|،؛؟۔。、！？]$/u
const BRACKETS = { ')': '(', ']': '[', '}': '{', '）': '（', '」': '「', '】': '【', '》': '《' }

/** Splits a text into `{ text }`, and `{ text, href }` for web addresses. Together the parts are the whole text. */
export function partsOf(text) {
  const parts = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(found)
    const href = hrefOf(address)
    if (href === undefined) continue
    if (index > end) parts.push({ text: text.slice(end, index) })
    parts.push({ text: address, href })
    end = index + address.length
  }
  if (end < text.length) parts.push({ text: text.slice(end) })
  return parts
}

/** Removes punctuation at the end, and a closing bracket that was opened before the address. */
function withoutEnd(found) {
  let address = found
  while (PUNCTUATION.test(address) || closesOuter(address)) address = address.slice(0, -1)
  return address
}

function closesOuter(address) {
  const close = address.at(-1)
  const open = BRACKETS[close]
  return open !== undefined && address.split(close).length > address.split(open).length
}

/** Undefined if it is not a web address, or if it has a user name before an @, which can disguise where it leads. */
function hrefOf(address) {
  if (!URL.canParse(address)) return undefined
  const { protocol, username, password, href } = new URL(address)
  const isWeb = protocol === 'http:' || protocol === 'https:'
  return isWeb && username === '' && password === '' ? href : undefined
}
