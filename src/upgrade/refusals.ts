import type { FastifyReply, FastifyRequest } from 'fastify'
import { assertSendable, CloseCode, fitReason } from '../internal/close.ts'
import { errors } from '../internal/errors.ts'
import { type Upgrade, upgradeOf } from './upgrade.ts'

export type CompleteRefusal = (
  request: FastifyRequest,
  reply: FastifyReply,
  upgrade: Upgrade,
  code: number,
  reason: string
) => void

/** Refuses upgrades in a way that a browser can read: it tells its page nothing about an HTTP answer, but the code of a close frame. */
export class Refusals {
  readonly #complete: CompleteRefusal

  constructor(complete: CompleteRefusal) {
    this.#complete = complete
  }

  /** The first of our hooks: from here on a refusal can be carried out. */
  ready(request: FastifyRequest, reply: FastifyReply): void {
    const upgrade = upgradeOf(request.raw)
    if (upgrade === undefined) return
    upgrade.reply = reply
    const { refusal } = upgrade
    if (refusal !== undefined) this.#carryOut(request, reply, upgrade, refusal.code, refusal.reason)
  }

  refuse(request: FastifyRequest, code: number = CloseCode.PolicyViolation, reason = ''): void {
    assertSendable(code, reason)
    const upgrade = upgradeOf(request.raw)
    if (upgrade === undefined) throw request.ws === true ? new errors.NOT_UPGRADING() : new errors.UPGRADE_REQUIRED()
    const { reply } = upgrade
    if (reply === undefined) upgrade.refusal = { code, reason: fitReason(reason) }
    else this.#carryOut(request, reply, upgrade, code, fitReason(reason))
  }

  #carryOut(request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade, code: number, reason: string): void {
    if (reply.sent) return
    request.log.info({ code, reason }, 'websocket refused')
    this.#complete(request, reply, upgrade, code, reason)
  }
}
