import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { errors } from '../internal/errors.ts'
import { OWN_FOLDER } from './own-folder.ts'

/** A file of the page. */
export interface Asset {
  readonly name: string
  readonly type: string
  readonly content: Buffer
  readonly etag: string
}

/** Finds the file of another package. */
type Resolve = (name: string) => string

/** The document. It is served under the prefix itself. */
export const DOCUMENT = 'index.html'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml'
}

/**
 * The files of the page, and those of `uplot`. They are read once, at registration.
 *
 * @throws FST_BLAZE_WS_MISSING_PACKAGE if `uplot` is not installed.
 */
export function readAssets(resolve: Resolve = createRequire(join(OWN_FOLDER, DOCUMENT)).resolve): Asset[] {
  const folder = join(OWN_FOLDER, 'page')
  return [
    ...readdirSync(folder).map((name) => asset(name, join(folder, name))),
    asset('uplot.js', uplotFile(resolve, 'uPlot.esm.js')),
    asset('uplot.css', uplotFile(resolve, 'uPlot.min.css'))
  ]
}

function uplotFile(resolve: Resolve, name: string): string {
  try {
    return resolve(`uplot/dist/${name}`)
  } catch {
    throw new errors.MISSING_PACKAGE('the dashboard', 'uplot')
  }
}

function asset(name: string, path: string): Asset {
  const content = readFileSync(path)
  const hash = createHash('sha256').update(content).digest('base64url')
  return { name, type: TYPES[extname(name)] ?? 'application/octet-stream', content, etag: `"${hash}"` }
}
