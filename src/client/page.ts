/** What a page does that concerns its connection. */
export interface PageHandlers {
  /** The network or the page is back. */
  onBack(): void
  /** The network may be gone. */
  onDoubt(): void
  /** The page goes away. It may come back from the browser's cache, but only if it has no connection. */
  onHide(): void
}

interface Target {
  addEventListener?(event: string, listener: () => void): void
  removeEventListener?(event: string, listener: () => void): void
}

/** Watches the page; returns a function that stops it. In Node there is none to watch. */
export function watchPage(handlers: PageHandlers): () => void {
  const page = globalThis as Target
  const onBack = (): void => handlers.onBack()
  const { document } = globalThis as { document?: Target & { visibilityState: string } }
  const onVisibility = (): void => {
    if (document?.visibilityState === 'visible') onBack()
  }
  const listeners: [Target | undefined, string, () => void][] = [
    [page, 'online', onBack],
    [page, 'offline', () => handlers.onDoubt()],
    [page, 'pageshow', onBack],
    [page, 'pagehide', () => handlers.onHide()],
    [document, 'resume', onBack],
    [document, 'visibilitychange', onVisibility]
  ]
  for (const [target, event, listener] of listeners) target?.addEventListener?.(event, listener)
  return () => {
    for (const [target, event, listener] of listeners) target?.removeEventListener?.(event, listener)
  }
}

/** False only if the browser knows that there is no network. */
export function isOnline(): boolean {
  return (globalThis as { navigator?: { onLine?: boolean } }).navigator?.onLine !== false
}
