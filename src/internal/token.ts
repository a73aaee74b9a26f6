/** The pattern of a token (RFC 9110, 5.6.2), for regular expressions. */
export const TOKEN = "[\\w!#$%&'*+.^`|~-]+"

const WHOLE = new RegExp(`^${TOKEN}$`)

export function isToken(text: string): boolean {
  return WHOLE.test(text)
}
