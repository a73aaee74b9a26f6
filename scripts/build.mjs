// Builds dist/esm and dist/cjs from the same sources: tsc takes the module format from the nearest package.json, so the
// CommonJS pass runs over a copy of src that has a {"type":"commonjs"} file beside it.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
const run = (...args) => execFileSync(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' })

rmSync(join(root, 'dist'), { recursive: true, force: true })
run('-p', 'tsconfig.build.json')

const work = mkdtempSync(join(root, '.cjs-'))
try {
  cpSync(join(root, 'src'), join(work, 'src'), { recursive: true })
  writeFileSync(join(work, 'package.json'), '{"type":"commonjs"}\n')
  writeFileSync(
    join(work, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: 'src',
        outDir: join(root, 'dist', 'cjs'),
        typeRoots: [join(root, 'node_modules/@types')]
      },
      include: ['src']
    })
  )
  run('-p', join(work, 'tsconfig.json'))
} finally {
  rmSync(work, { recursive: true, force: true })
}
mkdirSync(join(root, 'dist', 'cjs'), { recursive: true })
writeFileSync(join(root, 'dist', 'cjs', 'package.json'), '{"type":"commonjs"}\n')

for (const format of ['esm', 'cjs'])
  execFileSync(process.execPath, [join(root, 'scripts', 'add-page.mjs'), join(root, 'dist', format), format])
