import type { FastifyReply, FastifyRequest } from 'fastify'
import { assertSendable, CloseCode, fitReason } from '../close.ts'
import { errors } from '../errors.ts'

/** A request's reply while its hooks run; Fastify's requests do not know it. */
const REPLY = Symbol('fastify-blaze-ws.reply')
/** What a hook wanted that ran before ours. */
const REFUSAL = Symbol('fastify-blaze-ws.refusal')

export type CompleteRefusal = (request: FastifyRequest, reply: FastifyReply, code: number, reason: string) => void

type Refusable = FastifyRequest & {
  [REPLY]: FastifyReply | null
  [REFUSAL]: { code: number; reason: string } | null
}

/** Refuses upgrades in a way that a browser can read: it tells its page nothing about an HTTP answer, but the code of a close frame. */
export class Refusals {
  /** To be declared with `decorateRequest`, each with null. */
  static readonly decorators = [REPLY, REFUSAL]
  readonly #complete: CompleteRefusal

  constructor(complete: CompleteRefusal) {
    this.#complete = complete
  }

  /** The first of our hooks: from here on a refusal can be carried out. */
  ready(request: FastifyRequest, reply: FastifyReply): void {
    const refusable = request as Refusable
    refusable[REPLY] = reply
    const refusal = refusable[REFUSAL]
    if (refusal !== null) this.#carryOut(refusable, reply, refusal.code, refusal.reason)
  }

  /** The handshake is over: nothing of the HTTP exchange but the request is kept. */
  done(request: FastifyRequest): void {
    ;(request as Refusable)[REPLY] = null
  }

  refuse(request: FastifyRequest, code: number = CloseCode.PolicyViolation, reason = ''): void {
    assertSendable(code, reason)
    // A plain request can be told in HTTP; @fastify/websocket, whose hook may not have run yet, goes by the same header.
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') throw new errors.UPGRADE_REQUIRED()
    const refusable = request as Refusable
    const reply = refusable[REPLY]
    if (reply !== null) this.#carryOut(refusable, reply, code, fitReason(reason))
    else if (request.ws === null) refusable[REFUSAL] = { code, reason: fitReason(reason) }
    else throw new errors.NOT_UPGRADING()
  }

  #carryOut(request: Refusable, reply: FastifyReply, code: number, reason: string): void {
    if (reply.sent) return
    request.log.info({ code, reason }, 'websocket refused')
    this.#complete(request, reply, code, reason)
  }
}
