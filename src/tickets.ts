// fastify-blaze-ws/tickets: one-time tickets, with which browsers authenticate a WebSocket.
export { type TicketOptions, webSocketTickets, type WebSocketTickets } from './auth/tickets.ts'
export { memoryTicketStore, type TicketRecord, type TicketStore } from './auth/ticket-store.ts'
