/** The end of a compressed message, which is not sent (RFC 7692, 7.2.1). */
export const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])
