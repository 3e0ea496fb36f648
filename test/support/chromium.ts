// Starts a real Chromium on any machine: the one that CHROMIUM_PATH names, the system's, or the one that comes with npm.
import { execFile } from 'node:child_process'
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, chromium, type LaunchOptions, type Page } from 'playwright-core'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const systemChromium = '/usr/bin/chromium'

// Never the package's own arguments: they switch web security off, and with it what these tests look at.
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ headless: true, args, ...(await executable()) })
}

async function executable(): Promise<LaunchOptions> {
  const named = process.env.CHROMIUM_PATH
  if (named !== undefined && named !== '') return { executablePath: named }
  if (existsSync(systemChromium)) return { executablePath: systemChromium }
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome' }

  const folder = await unpacked()
  return {
    executablePath: join(folder, 'chromium'),
    // The package's own libnss3 and libnspr4 and its font, so that a bare machine needs nothing and all draw alike.
    env: { ...process.env, LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: folder },
  }
}

// Two jest workers may come here at once: each unpacks into a folder of its own, and the first to finish names it.
async function unpacked(): Promise<string> {
  const folder = join(tmpdir(), `gatehouse-chromium-${packageVersion()}-${userInfo().uid}`)
  if (isOurs(folder)) return folder

  const draft = await mkdtemp(`${folder}-`)
  try {
    await unpackInto(draft)
    await writeFile(join(draft, 'fonts.conf'), fontsConfiguration(folder))
    await rename(draft, folder)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!isOurs(folder)) throw error
  }
  return folder
}

// The package unpacks into the temp folder and takes its extra libraries along only on AWS: a child process that believes both.
async function unpackInto(folder: string): Promise<void> {
  const script = "import chromium from '@sparticuz/chromium'; await chromium.executablePath()"
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: repository,
    env: { ...process.env, NODE_OPTIONS: '', TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' },
  })
}

function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === userInfo().uid
}

function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(join(repository, 'node_modules/@sparticuz/chromium/package.json'), 'utf8'),
  )
  return manifest.version
}

function fontsConfiguration(folder: string): string {
  const preferred = ['sans-serif', 'system-ui', 'ui-sans-serif']
    .map(
      (family) =>
        `<alias binding="strong"><family>${family}</family><prefer><family>Open Sans</family></prefer></alias>`,
    )
    .join('\n')
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>${folder}/fonts</dir>
<dir>/usr/share/fonts</dir>
<cachedir>${folder}/fonts-cache</cachedir>
${preferred}
</fontconfig>
`
}

export interface AxeViolation {
  rule: string
  help: string
  targets: string[]
}

/** All that a change from light to dark can touch. */
const colourRules = ['color-contrast', 'link-in-text-block']
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

// Legacy mode leaves out only frames of other origins, which no page of ours has, and saves a new tab at each check.
export async function axeViolations(
  page: Page,
  scope: 'everything' | 'colours' = 'everything',
): Promise<AxeViolation[]> {
  const builder = new AxeBuilder({ page }).setLegacyMode()
  const chosen = scope === 'colours' ? builder.withRules(colourRules) : builder.withTags(tags)
  const { violations } = await chosen.analyze()
  return violations.map(({ id, help, nodes }) => ({
    rule: id,
    help,
    targets: nodes.map(({ target }) => target.join(' ')),
  }))
}
