/** How the nodes are closed, by the name of the mode: a title, and the `shutdown` option for a spread in milliseconds. */
export const MODES = {
  backoff: {
    title: 'all at once, and clients choose when to come back',
    shutdown: () => ({ reconnectWithin: 0 })
  },
  together: {
    title: 'all at once, and the goodbye says when to come back',
    shutdown: () => ({})
  },
  spread: {
    title: 'one after the other',
    shutdown: (spread) => ({ spread })
  }
}
