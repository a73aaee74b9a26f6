// Checks the declarations of the packed tarball with old and new versions of TypeScript, and the declarations that a library
// emits for a contract that it exports: they must name no schema library, because its users may not have it.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Versions of TypeScript besides the one of this repository, by the names under which they are installed. */
const VERSIONS = { 'typescript-5.4': '~5.4.0', 'typescript-5.9': '~5.9.0', 'typescript-6': '^6.0.0' }

const BROWSER = { types: [], lib: ['es2022', 'dom'], skipLibCheck: false }

// Only one of the routes at a time: a program has either the ES module form of the plugin or its CommonJS form.
const RESOLUTIONS = [
  { module: 'nodenext', files: ['contract.mts', 'contract.cts', 'route.mts'] },
  { module: 'node16', files: ['contract.mts', 'contract.cts', 'route.cts'] },
  { module: 'esnext', moduleResolution: 'bundler', files: ['contract.mts', 'route.mts'] },
  { module: 'esnext', moduleResolution: 'bundler', files: ['browser.mts'], ...BROWSER }
]

/** What the sources below import, and the tarball does not bring. */
const LIBRARIES = ['zod', 'typebox', '@fastify/type-provider-typebox', '@fastify/type-provider-json-schema-to-ts']

const ZOD = `
import { defineContract } from 'fastify-blaze-ws/contract'
import { z } from 'zod'

const Said = { type: 'object', properties: { text: { type: 'string' } } } as const
export const chat = defineContract({
  name: 'chat',
  fromClient: { say: z.object({ text: z.string().default('hi') }), bye: null },
  fromServer: { said: z.object({ from: z.string(), at: z.date() }), plain: Said },
  calls: { rename: { input: z.object({ name: z.string() }), output: z.object({ name: z.string() }), errors: ['taken'] } },
  asks: { confirm: { output: z.object({ seen: z.boolean() }) } }
})
`

const IN_BROWSER = `
import { type Contract, ContractError, defineContract, isContractError } from 'fastify-blaze-ws/contract'

export const chat = defineContract({ name: 'chat', fromClient: { say: null }, calls: { rename: { errors: ['taken'] } } })
export const contract: Contract = chat
export const isTaken = isContractError(new ContractError('taken'), chat, 'rename')
`

// TypeBox is ESM only.
const PROVIDERS = `
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { contractWith } from 'fastify-blaze-ws/contract'
import { Type } from 'typebox'

export const boxes = contractWith<TypeBoxTypeProvider>()({
  name: 'boxes',
  fromClient: { open: Type.Object({ id: Type.Number() }) },
  fromServer: { opened: Type.Array(Type.String()) }
})
export const plain = contractWith<JsonSchemaToTsProvider>()({
  name: 'plain',
  fromClient: { say: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } }
})
`

const ROUTE = `
import Fastify from 'fastify'
import blazeWs, { type ContractConnection } from 'fastify-blaze-ws'
import { isContractError } from 'fastify-blaze-ws/contract'

const app = Fastify()
void app.register(blazeWs)
export function greet(ws: ContractConnection<typeof chat>) {
  app.wsHub.join(ws, 'lobby')
  app.wsHub.to('lobby').broadcast(chat, 'said', { from: ws.id, at: new Date() }, { except: ws })
  return ws.receive()
}
app.webSocketWithContract('/chat/:room', chat, async (ws) => {
  for await (const event of ws) if (event.type === 'say') await ws.send('said', { from: event.data.text, at: new Date() })
  const { seen }: { seen: boolean } = await ws.ask('confirm')
  const event = await greet(ws)
  const text: string | undefined = event.data?.text
  // @ts-expect-error a mistyped event
  await ws.send('sayd', { from: ws.params.room, at: new Date() })
  return [seen, text]
}, { calls: { rename: async ({ name }, ws, { fail }) => {
  // @ts-expect-error a mistyped code
  if (ws.params.room === '') throw fail('tkaen')
  return { name }
} } })
export function codeOf(error: unknown): 'taken' | undefined {
  return isContractError(error, chat, 'rename') ? error.code : undefined
}
`

/**
 * @param root the repository, whose TypeScript and libraries are used
 * @param work the folder of a project that has the tarball installed
 */
export function checkDeclarations(root, work) {
  const folder = join(work, 'declarations')
  mkdirSync(folder)
  for (const library of LIBRARIES) link(root, folder, library)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
  writeFileSync(join(folder, 'contract.mts'), ZOD + PROVIDERS)
  writeFileSync(join(folder, 'contract.cts'), ZOD)
  writeFileSync(join(folder, 'browser.mts'), IN_BROWSER)
  writeFileSync(join(folder, 'route.mts'), `import { chat } from './contract.mjs'${ROUTE}`)
  writeFileSync(join(folder, 'route.cts'), `import { chat } from './contract.cjs'${ROUTE}`)
  for (const [name, tsc] of compilers(root, join(work, 'compilers'))) {
    for (const resolution of RESOLUTIONS) compile(tsc, folder, resolution)
    checkEmitted(join(folder, 'out'), name)
  }
}

function link(root, folder, library) {
  const path = join(folder, 'node_modules', library)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join(root, 'node_modules', library), path)
}

/** Installs the other versions of TypeScript. Returns their names and the paths of their compilers. */
function compilers(root, folder) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
  const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}@npm:typescript@${version}`)
  const flags = ['--silent', '--no-audit', '--no-fund', '--prefer-offline']
  execFileSync('npm', ['install', ...flags, ...packages], { cwd: folder, stdio: 'inherit' })
  const others = Object.keys(VERSIONS).map((name) => compiler(folder, name))
  return [...others, compiler(root, 'typescript')]
}

function compiler(folder, name) {
  return [name, join(folder, 'node_modules', name, 'bin', 'tsc')]
}

function compile(tsc, folder, { files, ...resolution }) {
  const compilerOptions = {
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    declaration: true,
    outDir: 'out',
    rootDir: '.',
    types: ['node'],
    ...resolution
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  execFileSync(process.execPath, [tsc, '-p', '.'], { cwd: folder, stdio: 'inherit' })
}

function checkEmitted(out, version) {
  for (const file of readdirSync(out).filter((name) => /^contract\.d\.[cm]ts$/.test(name))) {
    const declarations = readFileSync(join(out, file), 'utf8')
    const modules = [...declarations.matchAll(/(?:from|import\(|import|types=) ?["']([^"']+)["']/g)].map(
      ([, name]) => name
    )
    const other = modules.find((name) => name !== 'fastify-blaze-ws/contract')
    if (modules.length === 0 || other !== undefined)
      throw new Error(`${file}, emitted by ${version}, imports ${other ?? 'nothing'}:\n${declarations}`)
  }
}
