// The dependency rules of src/README.md, executable. Each rule is shown to fail on a sample of what it forbids.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

// A file may import from its own folder and from lower rows, never sideways and never up.
const rows = [
  ['main'],
  ['commands'],
  ['server'],
  ['login', 'self-service', 'admin', 'gateway', 'sidecar'],
  ['oidc'],
  ['accounts', 'clients', 'apis', 'keys', 'audit'],
  ['http', 'mail', 'language', 'branding', 'sealing', 'database', 'config', 'verifier'],
]
const rowOf = (part: string) => rows.findIndex((row) => row.includes(part))
const partOf = (file: string) => (file.split('/')[0] ?? '').replace(/\.ts$/, '')

const root = join(import.meta.dirname, '..')
const src = join(root, 'src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const sourceOf = (file: string) => readFileSync(join(src, file), 'utf8')

const withoutComments = (source: string) => source.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')
const imports = (file: string, source: string) =>
  [...source.matchAll(/^(import type |import |export )[^']*?from '(\.[^']+)'|import\('(\.[^']+)'\)/gm)].map(
    (match) => ({
      isTypeOnly: match[1] === 'import type ',
      target: posix.normalize(posix.join(posix.dirname(file), match[2] ?? match[3] ?? '')),
    }),
  )

type Rule = (file: string, source: string) => string[]

const rules: Record<string, Rule> = {
  'sits in a known folder': (file) => (rowOf(partOf(file)) === -1 ? [file] : []),
  'imports downwards only': (file, source) =>
    imports(file, source)
      .filter(({ target }) => !target.startsWith('../migrations/'))
      // The shape of the configuration may be named everywhere (architecture, rule 1).
      .filter(({ target, isTypeOnly }) => !(isTypeOnly && target === 'config.ts'))
      .map(({ target }) => target)
      .filter((target) => partOf(target) !== partOf(file) && rowOf(partOf(target)) <= rowOf(partOf(file))),
  'starts with a comment that says what it owns': (_, source) =>
    /^\/\/ [A-Z`].*\.$/m.test(source.split('\n')[0] ?? '') ? [] : ['line 1'],
  'stays under 250 lines': (_, source) => (source.split('\n').length > 250 ? ['too long'] : []),
  'leaves process.env to config.ts': (file, source) =>
    file !== 'config.ts' && withoutComments(source).includes('process.env') ? ['process.env'] : [],
  'leaves the engine to oidc/': (file, source) => [
    // One seam, which says which upgrade it would break on.
    ...(file === 'oidc/grants/proof-of-possession.ts' ? [] : (source.match(/'oidc-provider\/lib[^']*'/g) ?? [])),
    ...(partOf(file) === 'oidc' ? [] : (source.match(/^import (?!type ).*'oidc-provider'/gm) ?? [])),
  ],
  'keeps SQL in stores, logs, the adapter and database/': (file, source) =>
    /-(store|log|check)\.ts$|adapter\.ts$/.test(file) || ['database'].includes(partOf(file))
      ? []
      : (withoutComments(source).match(/\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b/g) ?? []),
  'imports nothing of ours into the verifier': (file, source) =>
    partOf(file) === 'verifier'
      ? imports(file, source)
          .map(({ target }) => target)
          .filter((target) => partOf(target) !== 'verifier')
      : [],
  'has no barrel': (file) => (posix.basename(file) === 'index.ts' ? [file] : []),
  'uses no any, and silences nothing': (_, source) =>
    withoutComments(source).match(/:\s*any\b|\bas any\b|<any>|@ts-ignore|@ts-expect-error|biome-ignore/g) ??
    source.match(/@ts-ignore|@ts-expect-error|biome-ignore/g) ??
    [],
}

describe('the files of src', () => {
  it.each(files)('%s keeps every rule', (file) => {
    const broken = Object.entries(rules).map(([name, rule]) => [name, rule(file, sourceOf(file))] as const)
    expect(Object.fromEntries(broken.filter(([, found]) => found.length > 0))).toEqual({})
  })
})

describe('every folder of src', () => {
  it('has at most 14 files', () => {
    const count = new Map<string, number>()
    for (const file of files) count.set(posix.dirname(file), (count.get(posix.dirname(file)) ?? 0) + 1)
    expect([...count].filter(([folder, number]) => folder !== '.' && number > 14)).toEqual([])
  })
  it('gives each file a name of its own', () => {
    const names = files.map((file) => posix.basename(file))
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

describe('each rule', () => {
  const samples: [string, string, string][] = [
    ['sits in a known folder', 'helpers/strings.ts', '// Owns strings.\n'],
    ['imports downwards only', 'accounts/account-store.ts', "// Owns.\nimport { a } from '../oidc/engine.ts'\n"],
    [
      'imports downwards only',
      'accounts/account-store.ts',
      "// Owns.\nimport { a } from '../clients/client-store.ts'\n",
    ],
    [
      'imports downwards only',
      'accounts/account-store.ts',
      "// Owns.\nimport {\n  a,\n} from '../clients/client-store.ts'\n",
    ],
    ['imports downwards only', 'oidc/engine.ts', "// Owns.\nconst a = await import('../login/next-step.ts')\n"],
    ['starts with a comment that says what it owns', 'oidc/engine.ts', "import { a } from './b.ts'\n"],
    ['stays under 250 lines', 'oidc/engine.ts', '\n'.repeat(251)],
    ['leaves process.env to config.ts', 'oidc/engine.ts', '// Owns.\nconst a = process.env.HOME\n'],
    ['leaves the engine to oidc/', 'login/login-routes.ts', "import { Provider } from 'oidc-provider'\n"],
    ['leaves the engine to oidc/', 'oidc/engine.ts', "import a from 'oidc-provider/lib/helpers/errors.js'\n"],
    ['keeps SQL in stores, logs, the adapter and database/', 'login/sign-in.ts', "const a = 'DELETE FROM accounts'\n"],
    ['imports nothing of ours into the verifier', 'verifier/verifier.ts', "import { a } from '../http/errors.ts'\n"],
    ['has no barrel', 'oidc/index.ts', ''],
    ['uses no any, and silences nothing', 'oidc/engine.ts', 'const a = b as any\n'],
    ['uses no any, and silences nothing', 'oidc/engine.ts', '// biome-ignore lint: no\n'],
  ]
  it.each(samples)('“%s” refuses %s', (name, file, source) => {
    expect(rules[name]?.(file, source)).not.toEqual([])
  })
  it('has a sample', () => {
    expect(Object.keys(rules).filter((name) => !samples.some(([sample]) => sample === name))).toEqual([])
  })
})
