/** The clients of each process, by the numbers of its first and its last one. */
export function rangesOf(clients, processes) {
  const firstOf = (index) => Math.floor((clients * index) / processes)
  return Array.from({ length: processes }, (_, index) => ({ first: firstOf(index), last: firstOf(index + 1) - 1 }))
}
