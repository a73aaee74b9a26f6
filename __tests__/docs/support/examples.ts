import { type ChildProcess, execFile, fork } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transformSync } from '@swc/core'
import { type Block, ROOT } from './markdown.ts'

// How examples are written: a block that calls `Fastify()` is a complete module. Any other block is inserted into the first
// program of README.md, between the registration of the plugin and `listen`.
const BEFORE =
  "import Fastify from 'fastify'; import blazeWs from 'fastify-blaze-ws'; const app = Fastify(); await app.register(blazeWs)"
const AFTER = 'await app.listen({ port: 3000 })'

// For this process alone: the tests may run twice at the same time.
const FOLDER = join(ROOT, 'node_modules', '.cache', `docs-examples-${process.pid}`)
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

const run = promisify(execFile)

/** Writes the examples for the compiler, which reports the lines of their pages, and for Node, and builds what they import. */
export async function writeExamples(blocks: Block[]): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  for (const block of blocks) {
    const source = sourceOf(block)
    writeFileSync(pathOf(block), source)
    if (block.lang === 'ts') writeFileSync(runnablePathOf(block), toJavaScript(source))
  }
  writeJson('package.json', {
    name: 'fastify-blaze-ws',
    type: 'module',
    exports: { '.': './lib/index.js', './*': './lib/*.js' }
  })
  writeJson('tsconfig.json', {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      types: ['node'],
      allowJs: true,
      checkJs: true,
      paths: { 'fastify-blaze-ws': [join(ROOT, 'src', 'index.ts')], 'fastify-blaze-ws/*': [join(ROOT, 'src', '*.ts')] }
    },
    files: blocks.map(pathOf),
    include: []
  })
  await run(process.execPath, [TSC, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(FOLDER, 'lib')])
  await run(process.execPath, [join(ROOT, 'scripts', 'add-page.mjs'), join(FOLDER, 'lib'), 'esm'])
}

/** Removes the files that `writeExamples` wrote. */
export function removeExamples(): void {
  rmSync(FOLDER, { recursive: true, force: true })
}

/** The errors of the compiler about the examples; `''` if there are none. */
export async function typeErrors(): Promise<string> {
  try {
    await run(process.execPath, [TSC, '--noEmit', '-p', FOLDER], { cwd: ROOT })
    return ''
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

function writeJson(name: string, value: unknown): void {
  writeFileSync(join(FOLDER, name), JSON.stringify(value))
}

function sourceOf({ code, line }: Block): string {
  // A block that neither uses nor creates an app is a program of its own.
  const isComplete = code.includes('Fastify(') || code.includes('require(') || !/\bapp\b/.test(code)
  const lines = '\n'.repeat(line - 2)
  return isComplete ? `${lines}\n${code}\n` : `${lines}${BEFORE}\n${code}\n${AFTER}\n`
}

function toJavaScript(source: string): string {
  return transformSync(source, { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } })
    .code
}

function pathOf(block: Block): string {
  const name = `${block.page.replace(/\W/g, '-')}-${block.line}`
  const extension = block.lang === 'ts' ? 'mts' : block.code.includes('require(') ? 'cjs' : 'mjs'
  return join(FOLDER, `${name}.${extension}`)
}

/** The file of an example that can be run. */
export function runnablePathOf(block: Block): string {
  return pathOf(block).replace(/mts$/, 'mjs')
}

/** Runs before a program: replaces the port it asks for with a free one on loopback. */
export const PRELOAD = join(__dirname, 'preload.mjs')

export interface ProgramOptions {
  env?: Record<string, string>
  cwd?: string
  /** Arguments before the file. */
  execArgv?: string[]
}

/** An example that runs in a process of its own. */
export class Example {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | NodeJS.Signals>
  /** What it has written to stdout and stderr. */
  output = ''
  port = 0

  constructor(file: string, { env, cwd, execArgv = [] }: ProgramOptions) {
    this.#child = fork(file, {
      cwd,
      execArgv: ['--import', `file://${PRELOAD}`, ...execArgv],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env }
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk) => (this.output += String(chunk)))
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve(code ?? signal ?? 1))
    })
    running.add(this)
  }

  /** Resolves when the example listens or has ended without an error. */
  async ready(): Promise<void> {
    const listening = new Promise<undefined>((resolve) => {
      this.#child.once('message', (message: { port: number }) => {
        this.port = message.port
        resolve(undefined)
      })
    })
    const code = await Promise.race([listening, this.#ended])
    if (code === undefined || code === 0) return
    running.delete(this)
    throw new Error(`the example ended with ${code}:\n${this.output}`)
  }

  ws(path: string): string {
    return `ws://127.0.0.1:${this.port}${path}`
  }

  http(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`
  }

  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its exit code, or the signal that ended it, once it has ended. */
  ended(): Promise<number | NodeJS.Signals> {
    return this.#ended
  }

  /** Closes its server: the example must then end by itself, without an error or warning. */
  async close(): Promise<void> {
    running.delete(this)
    if (this.#child.connected) this.#child.send('close')
    const code = await this.#ended
    if (code !== 0 || /warning|error/i.test(this.output))
      throw new Error(`the example ended with ${code}:\n${this.output}`)
  }
}

const running = new Set<Example>()

/** Starts an example with environment variables; `closeExamples` closes it. */
export function start(block: Block, env: Record<string, string> = {}): Promise<Example> {
  return startFile(runnablePathOf(block), { env })
}

/** Starts a file as an example; `closeExamples` closes it. */
export async function startFile(file: string, options: ProgramOptions = {}): Promise<Example> {
  const example = new Example(file, options)
  await example.ready()
  return example
}

/** Starts an example of a client, which talks to the server of another example, for half a second. */
export function startClient(block: Block, server: Example): Promise<Example> {
  return startClientCode(readFileSync(runnablePathOf(block), 'utf8'), server)
}

let clients = 0

/** Starts the code of a client, which talks to the server of an example, for half a second. */
export function startClientCode(code: string, server: Example): Promise<Example> {
  const file = join(FOLDER, `client-${++clients}.mjs`)
  const before = "import { WebSocket } from 'ws'\nglobalThis.WebSocket ??= WebSocket"
  const own = code.replace('localhost:3000', `127.0.0.1:${server.port}`)
  writeFileSync(file, `${before}\n${own}\nsetTimeout(() => client.close(), 500)\n`)
  return startFile(file)
}

/** Closes the examples that were started: call it in `afterEach`. */
export async function closeExamples(): Promise<void> {
  await Promise.all([...running].map((example) => example.close()))
}
