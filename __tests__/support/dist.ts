import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '..', '..')
const lock = join(root, 'node_modules', '.cache-dist-lock')

function newest(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { withFileTypes: true, recursive: true }).map(
      (entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs
    )
  )
}

function isFresh(): boolean {
  const built = join(root, 'dist', 'cjs', 'package.json')
  return existsSync(built) && statSync(built).mtimeMs > newest(join(root, 'src'))
}

/** Builds `dist` if it is older than the sources, for tests that run the package in a separate process. */
export function ensureDist(): void {
  // Jest runs test files in parallel, and one build is enough.
  for (let waited = 0; ; waited += 100) {
    try {
      mkdirSync(lock)
      break
    } catch {
      if (waited > 60_000) throw new Error(`another build seems to hang; remove ${lock}`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
  try {
    if (!isFresh()) execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'pipe' })
  } finally {
    rmdirSync(lock)
  }
}
