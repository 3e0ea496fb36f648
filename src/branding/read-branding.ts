// Reads an operator's branding folder whole, for the deployment and for single clients, and reports every problem at once.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Eta } from 'eta'
import { tokensOf } from './brand-style.ts'
import { type BrandingSettings, parseSettings } from './branding-settings.ts'
import { clientFoldersOf, type Files, filesOf } from './folder-files.ts'
import { type Colours, contrastProblems, type Tokens } from './palette.ts'
import { svgProblem } from './svg-check.ts'

export interface BrandFolder {
  settings: BrandingSettings
  files: Files
  /** Of `views/`, when there is one. */
  viewFolder: string | undefined
}

export interface BrandingFolder {
  tokens: Tokens
  deployment: BrandFolder
  clients: ReadonlyMap<string, BrandFolder>
  /** Of `locales/`, when there is one. */
  localeFolder: string | undefined
}

export type BrandingRead =
  | { ok: true; folder: BrandingFolder }
  /** Sentences for an operator, each with the file that it is about. */
  | { ok: false; problems: string[] }

export interface BrandingParts {
  directory: string
  /** Our own views/, which tells what can be overridden and which colours the pages have. */
  viewsDirectory: string
}

export function readBranding({ directory, viewsDirectory }: BrandingParts): BrandingRead {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    return {
      ok: false,
      problems: [`${directory} is no folder that can be read. Name the folder that holds branding.json.`],
    }
  const tokens = tokensOf(readFileSync(join(viewsDirectory, 'assets/gatehouse.css'), 'utf8'))
  const ourViews = viewsIn(viewsDirectory)
  const deployment = readFolder(directory, '', ourViews)
  const listed = clientFoldersOf(directory)
  const clients = listed.clients.map((id) => [id, readFolder(directory, `clients/${id}`, ourViews)] as const)
  const problems = [
    ...deployment.problems,
    ...contrastProblems(coloursOf(deployment.settings), tokens).map(inSettings),
    ...localeProblems(deployment.files),
    ...listed.problems,
    ...clients.flatMap(([id, client]) =>
      [
        ...client.problems,
        ...contrastProblems(coloursOf(deployment.settings, client.settings), tokens).map(inSettings),
        ...clientLocaleProblems(client.files),
      ].map((problem) => `clients/${id}/${problem}`),
    ),
  ]
  if (problems.length > 0) return { ok: false, problems: [...new Set(problems)] }
  const hasLocales = [...deployment.files.keys()].some((name) => name.startsWith('locales/'))
  return {
    ok: true,
    folder: {
      tokens,
      deployment,
      clients: new Map(clients),
      localeFolder: hasLocales ? join(directory, 'locales') : undefined,
    },
  }
}

/** A client that sets a brand colour sets it whole: the deployment's shade for dark pages is not its own. */
export function coloursOf(deployment: BrandingSettings, client: BrandingSettings = {}): Colours {
  const brand = client.brandColor || client.brandColorDark ? client : deployment
  const ground = client.groundColor || client.groundColorDark ? client : deployment
  return {
    brandColor: brand.brandColor,
    brandColorDark: brand.brandColorDark,
    groundColor: ground.groundColor,
    groundColorDark: ground.groundColorDark,
  }
}

const inSettings = (problem: string) => `branding.json: ${problem}`

function readFolder(root: string, folder: string, ourViews: ReadonlySet<string>): BrandFolder & { problems: string[] } {
  const { files, problems } = filesOf(root, folder)
  const given = files.get('branding.json')
  const parsed = given ? parseSettings(given.toString('utf8')) : { ok: true as const, settings: {} }
  const names = [...files.keys()]
  return {
    settings: parsed.ok ? parsed.settings : {},
    files,
    viewFolder: names.some((name) => name.startsWith('views/')) ? join(root, folder, 'views') : undefined,
    problems: [
      ...problems,
      ...(parsed.ok ? [] : parsed.problems.map((problem) => `${inSettings(problem)}.`)),
      ...doubles(names),
      ...[...files].flatMap(([name, body]) => formProblems(name, body, ourViews)),
    ],
  }
}

function doubles(names: readonly string[]): string[] {
  const named = (stem: string) => names.filter((name) => name.startsWith(`${stem}.`))
  return [
    ...['logo', 'logo-dark', 'favicon'].flatMap((stem) => {
      const [kept, ...others] = named(stem)
      return others.map((name) => `${name}: there is ${kept} too. Keep one of them.`)
    }),
    ...(named('logo').length === 0
      ? named('logo-dark').map((name) => `${name}: there is no logo for light pages. Add logo.svg or logo.png.`)
      : []),
  ]
}

const beginnings: Record<string, { bytes: Buffer; what: string }> = {
  '.png': { bytes: Buffer.from('89504e470d0a1a0a', 'hex'), what: 'PNG' },
  '.ico': { bytes: Buffer.from('00000100', 'hex'), what: 'ICO' },
  '.woff2': { bytes: Buffer.from('wOF2'), what: 'WOFF2' },
}

function formProblems(name: string, body: Buffer, ourViews: ReadonlySet<string>): string[] {
  const ending = /\.\w+$/.exec(name)?.[0] ?? ''
  if (ending === '.svg') {
    const problem = svgProblem(body)
    return problem ? [`${name}: holds ${problem}. Export it again as plain SVG, with nothing but the drawing.`] : []
  }
  if (ending === '.eta') return viewProblems(name, body, ourViews)
  const beginning = beginnings[ending]
  const isOther = beginning !== undefined && !body.subarray(0, beginning.bytes.length).equals(beginning.bytes)
  return isOther ? [`${name}: is no ${beginning.what} file, whatever its name says. Export it again.`] : []
}

const compiler = new Eta()

function viewProblems(name: string, body: Buffer, ourViews: ReadonlySet<string>): string[] {
  const view = name.slice('views/'.length)
  if (!ourViews.has(view) && !view.startsWith('partials/'))
    return [
      `${name}: overrides nothing, since no view has this name. Partials of your own belong into views/partials/.`,
    ]
  try {
    compiler.compile(body.toString('utf8'))
    return []
  } catch (error) {
    return [`${name}: ${(error as Error).message.trim().split('\n')[0]?.replace(/:$/, '')}. Compare it with ours.`]
  }
}

const viewsIn = (directory: string): Set<string> =>
  new Set(readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/')))

const textsIn = (files: Files) => [...files].filter(([name]) => name.startsWith('locales/'))

function localeProblems(files: Files): string[] {
  return textsIn(files).flatMap(([name, body]) => {
    const locale = name.split('/')[1] ?? ''
    if (canonical(locale) !== locale) return [`${name}: ${locale} is no language tag. Write it like de or pt-BR.`]
    try {
      const texts: unknown = JSON.parse(body.toString('utf8'))
      if (typeof texts === 'object' && texts !== null && Object.values(texts).every((text) => typeof text === 'string'))
        return []
    } catch (error) {
      return [`${name}: is no JSON: ${(error as Error).message}.`]
    }
    return [`${name}: must be an object of texts by their keys, such as { "sign-in.title": "Welcome" }.`]
  })
}

function canonical(locale: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(locale)[0]
  } catch {
    return undefined
  }
}

const clientLocaleProblems = (files: Files): string[] =>
  textsIn(files).map(
    ([name]) => `${name}: texts are the same for every client. Move it to the locales/ of the deployment.`,
  )
