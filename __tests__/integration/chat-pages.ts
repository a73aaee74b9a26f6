import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { launchChromium } from '../support/chromium.ts'

/** Pages of the chat in Chromium, and the problems in them. */
export class ChatPages {
  readonly #url: string
  readonly #problems: string[] = []
  readonly #browser: Browser

  private constructor(url: string, browser: Browser) {
    this.#url = url
    this.#browser = browser
  }

  static async launch(url: string): Promise<ChatPages> {
    return new ChatPages(url, await launchChromium())
  }

  /** A page of a new person with its own storage; or, with a context, another tab of the same person. */
  async open(options: BrowserContextOptions = {}, context?: BrowserContext): Promise<Page> {
    const own =
      context ??
      (await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options }))
    const page = await own.newPage()
    page.setDefaultTimeout(15_000)
    page.on('pageerror', (error) => this.#problems.push(String(error)))
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.#problems.push(message.text())
    })
    await page.goto(this.#url)
    return page
  }

  async enter(name: string, room: string, options?: BrowserContextOptions): Promise<Page> {
    const page = await this.open(options)
    await page.getByLabel('Your name').fill(name)
    await page.getByLabel('Room', { exact: true }).fill(room)
    await page.getByRole('button', { name: 'Join the chat' }).click()
    await isOnline(page)
    return page
  }

  /** Closes all pages; throws if one of them had a problem. */
  async closePages(): Promise<void> {
    await Promise.all(this.#browser.contexts().map((context) => context.close()))
    if (this.#problems.length > 0) throw new Error(`the pages had problems: ${this.#problems.splice(0).join(', ')}`)
  }

  close(): Promise<void> {
    return this.#browser.close()
  }
}

export const isOnline = (page: Page): Promise<void> => page.locator('#state[data-state=online]').waitFor()
export const box = (page: Page): Locator => page.getByLabel('Message', { exact: true })
export const sees = (page: Page, text: string): Promise<void> => page.getByRole('log').getByText(text).first().waitFor()
export const log = (page: Page): Promise<string> => page.getByRole('log').innerText()
export const people = (page: Page): Promise<string[]> => page.locator('#people .person').allInnerTexts()

export async function say(page: Page, text: string): Promise<void> {
  await box(page).fill(text)
  await box(page).press('Enter')
  await sees(page, text)
}
