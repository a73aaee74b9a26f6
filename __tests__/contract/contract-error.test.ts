import { ContractError, defineContract, isContractError } from 'fastify-blaze-ws/contract'
import { isAnyContractError } from '../../src/contract/contract-error.ts'

const chat = defineContract({
  name: 'chat',
  calls: { rename: { errors: ['taken', 'bad'] }, reset: {}, both: { errors: ['called'] } },
  asks: { confirm: { errors: ['no'] }, both: { errors: ['asked'] } }
})
/** What `isContractError` says about names that TypeScript would refuse. */
const is = isContractError as (error: unknown, contract: object, name: string) => boolean

/** Another copy of the package, as if a dependency had brought its own. */
function otherCopy(): typeof import('fastify-blaze-ws/contract') {
  let copy: typeof import('fastify-blaze-ws/contract') | undefined
  jest.isolateModules(() => {
    copy = jest.requireActual('fastify-blaze-ws/contract')
  })
  return copy as NonNullable<typeof copy>
}

test('an error of a contract has a code, a message and data', () => {
  const error = new ContractError('taken', 'ann is taken', { by: 'ann' })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'ContractError', code: 'taken', message: 'ann is taken', data: { by: 'ann' } })
  expect(error.stack).toContain('contract-error.test')
  expect(new ContractError('taken')).toMatchObject({ message: 'taken', data: undefined })
})

test('logs show what the error says, and no mark', () => {
  expect(Object.keys(new ContractError('taken')).toSorted()).toEqual(['code', 'data', 'name'])
})

test('isContractError knows the codes of calls and asks', () => {
  expect(is(new ContractError('taken'), chat, 'rename')).toBe(true)
  expect(is(new ContractError('no'), chat, 'rename')).toBe(false)
  expect(is(new ContractError('taken'), chat, 'reset')).toBe(false)
  expect(is(new ContractError('no'), chat, 'confirm')).toBe(true)
  for (const code of ['called', 'asked']) expect(is(new ContractError(code), chat, 'both')).toBe(true)
  for (const name of ['toString', '__proto__', 'say']) expect(is(new ContractError('taken'), chat, name)).toBe(false)
})

test.each([[undefined], [null], ['taken'], [{ code: 'taken' }], [new Error('taken')], [() => {}]])(
  '%p is no error of a contract',
  (error) => {
    expect(is(error, chat, 'rename')).toBe(false)
    expect(isAnyContractError(error)).toBe(false)
  }
)

test('errors and contracts of another copy of the package are recognized', () => {
  const other = otherCopy()
  expect(other.ContractError).not.toBe(ContractError)
  const theirs = new other.ContractError('taken')
  expect(theirs).not.toBeInstanceOf(ContractError)
  expect(isAnyContractError(theirs)).toBe(true)
  expect(isContractError(theirs, chat, 'rename')).toBe(true)
  expect(other.isContractError(new ContractError('taken'), chat, 'rename')).toBe(true)
  const theirChat = other.defineContract({ name: 'chat', calls: { rename: { errors: ['taken'] } } })
  expect(isContractError(theirs, theirChat, 'rename')).toBe(true)
})

test('a subclass is an error of a contract too', () => {
  class Taken extends ContractError<'taken'> {}
  expect(is(new Taken('taken'), chat, 'rename')).toBe(true)
})
