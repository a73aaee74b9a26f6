import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDist } from '../../support/dist.ts'
import { ROOT } from './markdown.ts'

const run = promisify(execFile)

/** The environment without the variables that npm would inherit from the npm that runs the tests. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|NODE_ENV)/.test(name))
)
const QUIET = {
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  npm_config_prefer_offline: 'true'
}

/** A directory for following README.md step by step, with this package as it would be published. */
export class Project {
  readonly #folder = mkdtempSync(join(tmpdir(), 'fastify-blaze-ws-reader-'))
  readonly cwd = mkdtempSync(join(this.#folder, 'project-'))
  #tarball = ''

  async pack(): Promise<void> {
    ensureDist()
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', this.#folder], {
      cwd: ROOT,
      env: environment
    })
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    this.#tarball = join(this.#folder, filename)
  }

  /** Runs lines of a page in a shell; if they install this package, they get the tarball. */
  async sh(lines: string): Promise<string> {
    const script = `set -e\n${lines}`.replaceAll(/(?<=npm install .*)\bfastify-blaze-ws\b/g, this.#tarball)
    const { stdout } = await run('sh', ['-c', script], { cwd: this.cwd, env: { ...environment, ...QUIET } })
    return stdout
  }

  /** Writes a file and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.cwd, name)
    writeFileSync(path, text)
    return path
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
