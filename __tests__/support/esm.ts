import Module from 'node:module'
import { buildSync } from 'esbuild'

/** Requires a package that is an ES module only, which Jest cannot load: esbuild turns it into CommonJS first. */
export function requireEsm<T>(name: string): T {
  const { outputFiles } = buildSync({
    stdin: { contents: `export * from '${name}'`, resolveDir: __dirname },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    write: false
  })
  const built = new Module(name)
  ;(built as unknown as { _compile(code: string, file: string): void })._compile(outputFiles[0]?.text ?? '', __filename)
  return built.exports as T
}
