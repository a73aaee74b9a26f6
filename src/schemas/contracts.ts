import type { FastifyInstance } from 'fastify'
import { definitionOf, isContract } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { describe, errors } from '../internal/errors.ts'
import { shared } from '../internal/package-copies.ts'
import { CompiledContract } from './compiled-contract.ts'

/**
 * The compiled form of each contract, by the server that has a route for it. The first route of a server decides. All copies of
 * this package share it, because a hub of one may broadcast to the routes of another.
 */
const known = shared('contracts', () => new WeakMap<Contract, Map<object, CompiledContract>>())

/** Compiles a contract like the schemas of the instance that adds its first route. */
export function addContract(contract: Contract, instance: FastifyInstance, url: string): CompiledContract {
  const byServer = known.get(contract) ?? new Map<object, CompiledContract>()
  known.set(contract, byServer)
  const existing = byServer.get(instance.server)
  if (existing !== undefined) return existing
  const compiled = new CompiledContract(definitionOf(contract), { instance, url })
  byServer.set(instance.server, compiled)
  instance.addHook('onReady', async () => compiled.compileAll())
  instance.addHook('onClose', async () => void byServer.delete(instance.server))
  return compiled
}

/**
 * The compiled form of a contract: that of this server, or of any other. A contract without JSON Schemas needs no server.
 *
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT if it is not a contract.
 */
export function compiledContract(contract: unknown, server: object | undefined): CompiledContract {
  if (!isContract(contract))
    throw new errors.INVALID_ARGUMENT('contract', `must be made by defineContract, got ${describe(contract)}`)
  const byServer = known.get(contract)
  const ofServer = server === undefined ? undefined : byServer?.get(server)
  return ofServer ?? byServer?.values().next().value ?? new CompiledContract(definitionOf(contract), undefined)
}

/** A contract that is compiled like the schemas of this instance. */
export function compileFor(contract: Contract, instance: FastifyInstance): CompiledContract {
  return (
    known.get(contract)?.get(instance.server) ?? new CompiledContract(definitionOf(contract), { instance, url: '/' })
  )
}
