// Names the files of installed packages that pages load.
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** The browser's half of the passkey library (MIT), as its package has it; the package lists no such path, but its folder is known. */
export const packagedAssets = (): Record<string, string> => {
  const entry = createRequire(import.meta.url).resolve('@simplewebauthn/browser')
  return { 'simplewebauthn.js': join(entry, '../../dist/bundle/index.umd.min.js') }
}
