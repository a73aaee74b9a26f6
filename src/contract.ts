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
