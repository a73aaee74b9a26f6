/** An event of the server. */
export interface TestEvent {
  type: string
  data: unknown
  /** The room, if the event was published. */
  room?: string
  /** The event's place in the stream of its room. */
  offset?: number
}
