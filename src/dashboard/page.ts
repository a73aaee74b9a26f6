import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Asset, DOCUMENT, readAssets } from './assets.ts'

const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store'
}

/** Routes must not be described by @fastify/swagger. */
export const HIDDEN = { schema: { hide: true } as object }

/** Adds the headers of all answers, also of those of the hooks that guard the page. */
export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => void reply.headers(HEADERS))
}

/** Serves the document and its files. All of its URLs are relative, so that it also works behind a proxy with a prefix of its own. */
export function addPage(app: FastifyInstance): void {
  for (const asset of readAssets()) {
    const isDocument = asset.name === DOCUMENT
    app.get(isDocument ? '/' : `/${asset.name}`, HIDDEN, (request, reply) =>
      isDocument && !isFolder(request) ? sendToFolder(reply) : send(asset, request, reply)
    )
  }
}

function send(asset: Asset, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // The browser asks each time whether its copy is the newest.
  reply.header('cache-control', 'no-cache').header('etag', asset.etag)
  if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
  return reply.type(asset.type).send(asset.content)
}

/** Without a slash at the end, relative URLs would lead to the folder above. */
function isFolder({ originalUrl }: FastifyRequest): boolean {
  return originalUrl.split('?')[0]?.endsWith('/') === true
}

/**
 * Only the browser knows the path that it sees: proxies change the paths of requests, and some of them misread a relative path in the
 * header of a redirect.
 */
const TO_FOLDER = "location.replace(location.origin + location.pathname + '/')"
const TO_FOLDER_HASH = createHash('sha256').update(TO_FOLDER).digest('base64')

function sendToFolder(reply: FastifyReply): FastifyReply {
  return reply
    .header('content-security-policy', `${POLICY}; script-src 'sha256-${TO_FOLDER_HASH}'`)
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><title>Realtime</title><script>${TO_FOLDER}</script><noscript>This page needs JavaScript.</noscript>`
    )
}
