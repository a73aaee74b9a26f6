import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run'
]

/** The path of `chromium`; undefined if it is not on the PATH. */
export function findChromium(): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'chromium'))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** `describe`, or `describe.skip` if there is no browser; append `whySkipped` to the name to tell the reason. */
export const describeInBrowser = findChromium() === undefined ? describe.skip : describe

export const whySkipped =
  findChromium() === undefined ? ' (skipped: chromium is not on the PATH; apt-get install chromium)' : ''

/** Launches Chromium; `without` names arguments that Playwright would give it. */
export async function launchChromium({ without = [] as string[] } = {}): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('chromium is not on the PATH')
  return chromium.launch({ executablePath, args: ARGUMENTS, ignoreDefaultArgs: without, headless: true })
}
