/**
 * The folder of this file, in which `page` is, and from which `uplot` is found. For the ES modules, scripts/add-page.mjs writes this
 * file anew: they have no `__dirname`, and CommonJS has no `import.meta`.
 */
export const OWN_FOLDER = __dirname
