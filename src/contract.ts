export { ContractError, isContractError } from './contract/contract-error.ts'
export { contractWith, defineContract } from './contract/definition.ts'
export type {
  AnyContract,
  Contract,
  ContractTypes,
  DefineContract,
  Flow,
  Json,
  NoJson,
  Schema,
  SchemaTypes
} from './contract/types.ts'

// What declarations of an application name, for example of a function that returns what `ws.receive()` does
export type { Answer, Data, ErrorsOf, EventOf, Get, In, Of, Out } from './contract/types.ts'
