/** The `count` elements with the largest numbers, in falling order. It makes no list of all elements. */
export function largest<T>(elements: Iterable<T>, numberOf: (element: T) => number, count: number): T[] {
  const kept: { element: T; number: number }[] = []
  let smallest = -Infinity
  for (const element of elements) {
    const number = numberOf(element)
    if (kept.length === count && number <= smallest) continue
    const place = kept.findIndex((other) => other.number < number)
    kept.splice(place === -1 ? kept.length : place, 0, { element, number })
    if (kept.length > count) kept.pop()
    smallest = kept.at(-1)?.number ?? -Infinity
  }
  return kept.map(({ element }) => element)
}
