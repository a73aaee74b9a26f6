// The version in the folder BLAZE_BASELINE, such as a worktree of an earlier commit.
import { startWith } from '../blaze.mjs'

export async function start(options) {
  const folder = process.env.BLAZE_BASELINE
  if (folder === undefined) throw new Error('the baseline cannot be loaded: BLAZE_BASELINE is not set')
  const { default: blazeWs } = await import(`${folder}/dist/esm/index.js`)
  return startWith(blazeWs, options)
}
