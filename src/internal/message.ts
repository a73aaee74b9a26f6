/** The type of a text message (opcode 1, RFC 6455, 11.8). */
export const TextMessage = 1 as const
/** The type of a binary message (opcode 2). */
export const BinaryMessage = 2 as const
/** The opcode of a close frame. */
export const CloseMessage = 8 as const
/** The opcode of a ping frame. */
export const PingMessage = 9 as const
/** The opcode of a pong frame. */
export const PongMessage = 10 as const

/** The type of a message or a control frame: an opcode of RFC 6455. Messages that are read are `TextMessage` or `BinaryMessage`. */
export type MessageType =
  typeof TextMessage | typeof BinaryMessage | typeof CloseMessage | typeof PingMessage | typeof PongMessage

/** The types of data messages. */
export type DataType = typeof TextMessage | typeof BinaryMessage

/** A message that `readMessage` returns. The data of a text message is valid UTF-8. */
export interface WebSocketMessage {
  type: MessageType
  data: Buffer
}
