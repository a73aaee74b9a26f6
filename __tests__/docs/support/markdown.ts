import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(__dirname, '..', '..', '..')

/** The pages whose examples are checked and run, relative to the root. */
export const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
]

/** A code block of a page. */
export interface Fence {
  page: string
  /** The nearest heading above it. */
  heading: string
  lang: string
  code: string
  /** The line number, from 1, of its first line of code on the page. */
  line: number
}

/** A code block that is a program. */
export interface Block extends Fence {
  lang: 'ts' | 'js'
}

export function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** All code blocks of a page. */
export function fencesOf(page: string): Fence[] {
  const fences: Fence[] = []
  let heading = ''
  let open: { lang: string; start: number } | undefined
  const lines = read(page).split('\n')
  for (const [i, line] of lines.entries()) {
    const mark = /^```(\w*)/.exec(line)
    if (open === undefined) {
      heading = /^#+ (.+)$/.exec(line)?.[1] ?? heading
      if (mark !== null) open = { lang: mark[1] as string, start: i + 1 }
    } else if (mark !== null) {
      const { lang, start } = open
      fences.push({ page, heading, lang, code: lines.slice(start, i).join('\n'), line: start + 1 })
      open = undefined
    }
  }
  return fences
}

/** The `ts` and `js` blocks of a page. */
export function blocksOf(page: string): Block[] {
  return fencesOf(page).filter((fence): fence is Block => fence.lang === 'ts' || fence.lang === 'js')
}

/** The first code block of a language below a heading. */
export function fenceBelow(page: string, heading: string, lang: string): Fence {
  const fence = fencesOf(page).find((fence) => fence.heading === heading && fence.lang === lang)
  if (fence === undefined) throw new Error(`${page} has no ${lang} block below "${heading}"`)
  return fence
}

/** The rows of the first table below a heading, without the header row; cells are trimmed. */
export function tableBelow(page: string, heading: string): string[][] {
  const lines = read(page).split('\n')
  const at = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (at === -1) throw new Error(`${page} has no heading "${heading}"`)
  const first = lines.findIndex((line, i) => i > at && line.startsWith('|'))
  const end = lines.findIndex((line, i) => i > first && !line.startsWith('|'))
  // A `|` within code is written as `\|` in a table.
  return lines.slice(first + 2, end).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}

/** A cell without the backticks around it. */
export function codeOf(cell: string | undefined): string {
  return cell?.replaceAll('`', '') ?? ''
}
