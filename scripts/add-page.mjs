// Adds the page of the dashboard to a folder with compiled modules: `node scripts/add-page.mjs dist/esm esm`. The page is served as it
// is. CommonJS finds it by `__dirname`, which ES modules do not have.
import { cpSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const [, program, folder, format] = process.argv
const page = join(dirname(program), '..', 'src', 'dashboard', 'page')

cpSync(page, join(folder, 'dashboard', 'page'), { recursive: true })
if (format === 'esm')
  writeFileSync(
    join(folder, 'dashboard', 'own-folder.js'),
    "import { fileURLToPath } from 'node:url'\nexport const OWN_FOLDER = fileURLToPath(new URL('.', import.meta.url))\n"
  )
