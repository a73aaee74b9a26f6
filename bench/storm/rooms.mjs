/** How many clients are in a room. */
const SIZE = 100

export const roomsFor = (clients) => Math.ceil(clients / SIZE)

/** The room of a client, and that of a message, by their numbers. */
export const roomOf = (number, rooms) => number % rooms
