export { ClientError, type ClientErrorCode } from './client/client-error.ts'
export { connect } from './client/connect.ts'
export { RejectedError } from './client/rejected-error.ts'
export type { Socket, SocketClass } from './client/socket.ts'
export type {
  CallOptions,
  Client,
  ClientEvents,
  ClientState,
  CloseInfo,
  ConnectOptions,
  Gap,
  MessagePosition,
  SendOptions
} from './client/types.ts'
export { ContractError, isContractError } from './contract/contract-error.ts'
export type { AnyContract, Contract } from './contract/types.ts'
export type { Position } from './rpc/position.ts'
