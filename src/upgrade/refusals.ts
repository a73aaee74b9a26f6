import type { FastifyReply, FastifyRequest } from 'fastify'
import { assertSendable, CloseCode, fitReason } from '../internal/close-codes.ts'
import { errors } from '../internal/errors.ts'
import { type Upgrade, upgradeOf } from './upgrade.ts'

/** Completes a handshake and closes the connection at once. */
export type CloseUpgrade = (
  request: FastifyRequest,
  reply: FastifyReply,
  upgrade: Upgrade,
  code: number,
  reason: string
) => void

/**
 * Refuses upgrades with a close code, for `request.refuseWebSocket()`. A browser shows its page the close code and the reason,
 * but not the status of an HTTP response.
 */
export class Refusals {
  readonly #closeUpgrade: CloseUpgrade

  constructor(closeUpgrade: CloseUpgrade) {
    this.#closeUpgrade = closeUpgrade
  }

  /** The first of our hooks. It sets the reply that a refusal needs. An earlier hook may have refused the upgrade already. */
  onRequest(request: FastifyRequest, reply: FastifyReply): void {
    const upgrade = upgradeOf(request.raw)
    if (upgrade === undefined) return
    upgrade.reply = reply
    const { refusal } = upgrade
    if (refusal !== undefined) this.#close(request, reply, upgrade, refusal.code, refusal.reason)
  }

  refuse(request: FastifyRequest, code: number = CloseCode.PolicyViolation, reason = ''): void {
    assertSendable(code, reason)
    const upgrade = upgradeOf(request.raw)
    if (upgrade === undefined) throw request.ws === true ? new errors.NOT_UPGRADING() : new errors.UPGRADE_REQUIRED()
    const { reply } = upgrade
    if (reply === undefined) upgrade.refusal = { code, reason: fitReason(reason) }
    else this.#close(request, reply, upgrade, code, fitReason(reason))
  }

  #close(request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade, code: number, reason: string): void {
    if (reply.sent) return
    request.log.info({ code, reason }, 'websocket refused')
    this.#closeUpgrade(request, reply, upgrade, code, reason)
  }
}
