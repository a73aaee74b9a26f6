export * from './auth/tickets.ts'
