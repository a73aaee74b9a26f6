import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDist } from '../support/dist.ts'
import { fencesOf, ROOT } from './support/markdown.ts'

// The examples of docs/testing.md that need a test runner. Those for node:test alone are run with the examples of all pages.
const examples = fencesOf('docs/testing.md').filter(({ lang }) => lang === 'javascript')
const folder = mkdtempSync(join(tmpdir(), 'docs-testing-'))
const run = promisify(execFile)

afterAll(() => rmSync(folder, { recursive: true }))

/** The example that imports from this test runner. */
function exampleFor(runner: string): string {
  const example = examples.find(({ code }) => code.includes(`from '${runner}'`))
  if (example === undefined) throw new Error(`docs/testing.md has no example for ${runner}`)
  return example.code
}

/** Runs an example in a Jest of its own. */
async function runInJest(name: string, code: string): Promise<string> {
  // Vitest is not installed. What the example uses of it is the same in Jest, under another name.
  writeFileSync(
    join(folder, 'vitest.js'),
    "import { jest } from '@jest/globals'\nexport * from '@jest/globals'\nexport const vi = jest"
  )
  writeFileSync(join(folder, `${name}.test.js`), code)
  const config = {
    rootDir: folder,
    testEnvironment: 'node',
    modulePaths: [join(ROOT, 'node_modules')],
    moduleNameMapper: {
      '^fastify-blaze-ws$': join(ROOT, 'src/index.ts'),
      '^fastify-blaze-ws/(.*)$': join(ROOT, 'src/$1.ts'),
      '^vitest$': join(folder, 'vitest.js')
    },
    transform: {
      '\\.[jt]s$': [
        join(ROOT, 'node_modules/@swc/jest'),
        { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
      ]
    }
  }
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js')
  const { stderr } = await run(process.execPath, [jest, '--config', JSON.stringify(config), `${name}.test.js`])
  return stderr
}

test('there is an example for each runner', () => {
  expect(examples).toHaveLength(3)
})

test('the example for Jest', async () => {
  expect(await runInJest('jest', exampleFor('@jest/globals'))).toContain('1 passed')
}, 60_000)

test('the example for Vitest', async () => {
  expect(await runInJest('in-vitest', exampleFor('vitest'))).toContain('1 passed')
}, 60_000)

test('the example for node:test', async () => {
  ensureDist()
  // Inside of the package, so that its own name leads to its build.
  const file = join(ROOT, 'dist', `docs-testing-${process.pid}.mjs`)
  writeFileSync(file, exampleFor('node:test'))
  try {
    const { stdout } = await run(process.execPath, [file])
    expect(stdout).toContain('# fail 0')
  } finally {
    rmSync(file)
  }
}, 90_000)
