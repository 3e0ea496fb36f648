// Reads the environment once, reports every problem at once, and freezes what the parts receive.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { defaultSender } from './config/mail-settings.ts'
import { variables } from './config/variables.ts'

export class ConfigError extends Error {
  problems: string[]

  constructor(problems: string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((line) => `  - ${line}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

const schema = z.object(variables)
type Variables = z.output<typeof schema>

export type Config = Readonly<ReturnType<typeof assemble>>

const secrets = [
  'DATABASE_URL',
  'GATEHOUSE_SEALING_KEY',
  'GATEHOUSE_SEALING_KEYS_OLD',
  'GATEHOUSE_COOKIE_KEYS',
  'GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD',
  'GATEHOUSE_SMTP_URL',
] as const

export interface LoadOptions {
  env?: Record<string, string | undefined>
  nodeVersion?: string
  /** Folder of `keys/`, `views/` and `migrations/`. */
  root: string
}

export function loadConfig({ env = process.env, nodeVersion = process.versions.node, root }: LoadOptions): Config {
  const problems: string[] = []
  const given = withSecretFiles(env, problems)
  const parsed = schema.safeParse(given)
  if (!parsed.success)
    problems.push(...parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`))
  const production = env.NODE_ENV === 'production'
  problems.push(...issuerProblems(given.GATEHOUSE_ISSUER, production, parsed.data?.GATEHOUSE_INSECURE_HTTP ?? false))
  if (production) problems.push(...productionProblems(given))
  if (olderThan(nodeVersion, 22, 18)) problems.push(`Node ${nodeVersion} is too old: use Node 24 (22.18 at the least)`)
  if (Boolean(given.GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL) !== Boolean(given.GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD)) {
    problems.push('GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL and GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD: set both or neither')
  }
  if (parsed.success) problems.push(...passwordProblems(parsed.data))
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  return Object.freeze(assemble(parsed.data, production, root))
}

function assemble(values: Variables, production: boolean, root: string) {
  const sealing = values.GATEHOUSE_SEALING_KEY ?? developmentKey(resolve(root, 'keys'))
  const issuer = values.GATEHOUSE_ISSUER ?? `http://localhost:${values.PORT}`
  const bootstrap = values.GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL && values.GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD
  return {
    production,
    root,
    issuer,
    insecureHttp: values.GATEHOUSE_INSECURE_HTTP,
    dataDir: resolve(root, values.GATEHOUSE_DATA_DIR),
    logLevel: values.LOG_LEVEL,
    // An operator's folder, so seen from where the operator stands.
    brandingDir: values.GATEHOUSE_BRANDING_DIR && resolve(values.GATEHOUSE_BRANDING_DIR),
    http: Object.freeze({
      port: values.PORT,
      host: values.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
      trustedProxies: values.GATEHOUSE_TRUSTED_PROXIES,
      workers: values.GATEHOUSE_WORKERS,
      authorizeLimit: values.GATEHOUSE_AUTHORIZE_LIMIT,
    }),
    database: Object.freeze({
      url: values.DATABASE_URL,
      poolSize: values.GATEHOUSE_DATABASE_POOL,
      preparedStatements: values.GATEHOUSE_PREPARED_STATEMENTS,
    }),
    sealingKeys: [sealing, ...values.GATEHOUSE_SEALING_KEYS_OLD].map((key) => Buffer.from(key, 'base64url')),
    cookieKeys: values.GATEHOUSE_COOKIE_KEYS,
    registration: values.GATEHOUSE_REGISTRATION,
    login: Object.freeze({
      canSignUp: values.GATEHOUSE_SIGN_UP,
      secondFactor: values.GATEHOUSE_SECOND_FACTOR,
      canUseEmailCodes: values.GATEHOUSE_EMAIL_CODES,
      canUseLinks: values.GATEHOUSE_SIGN_IN_LINKS,
      hasUsernames: values.GATEHOUSE_USERNAMES,
      deletionDays: values.GATEHOUSE_DELETION_DAYS,
    }),
    password: Object.freeze({
      minimumLength: values.GATEHOUSE_PASSWORD_MIN_LENGTH,
      minimumLengthWithSecondFactor: values.GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR,
      minimumStrength: values.GATEHOUSE_PASSWORD_MIN_STRENGTH,
      composition: Object.freeze(values.GATEHOUSE_PASSWORD_COMPOSITION),
      historySize: values.GATEHOUSE_PASSWORD_HISTORY,
      maxAgeDays: values.GATEHOUSE_PASSWORD_MAX_AGE_DAYS,
    }),
    session: Object.freeze({ idle: values.GATEHOUSE_SESSION_IDLE, absolute: values.GATEHOUSE_SESSION_ABSOLUTE }),
    mail: Object.freeze({
      /** Without one, in development, messages stay in the development mailbox. */
      server: values.GATEHOUSE_SMTP_URL,
      from: values.GATEHOUSE_MAIL_FROM ?? defaultSender(issuer),
    }),
    bootstrapAdministrator: bootstrap
      ? {
          email: values.GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL as string,
          password: values.GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD as string,
        }
      : undefined,
  }
}

function withSecretFiles(env: Record<string, string | undefined>, problems: string[]) {
  const given: Record<string, string | undefined> = {}
  for (const name of Object.keys(variables)) if (env[name]) given[name] = env[name]
  for (const name of secrets) {
    const file = env[`${name}_FILE`]
    if (!file) continue
    if (given[name]) problems.push(`${name} and ${name}_FILE: set only one of them`)
    try {
      given[name] = readFileSync(file, 'utf8').trim()
    } catch {
      problems.push(`${name}_FILE: the file ${file} cannot be read`)
    }
  }
  return given
}

function issuerProblems(issuer: string | undefined, production: boolean, insecureHttp: boolean): string[] {
  if (!issuer)
    return production
      ? [
          'GATEHOUSE_ISSUER: set it to the https origin that people and services reach, such as https://login.example.com',
        ]
      : []
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol)) return [`GATEHOUSE_ISSUER: ${issuer} is not an http(s) URL`]
  if (url.origin !== issuer)
    return [`GATEHOUSE_ISSUER: must be an origin without path or final slash: write ${url.origin}`]
  if (production && url.protocol === 'http:' && !insecureHttp) {
    return [
      'GATEHOUSE_ISSUER: must be https in production (for a trial, or TLS ended elsewhere, set GATEHOUSE_INSECURE_HTTP=true)',
    ]
  }
  return []
}

function productionProblems(given: Record<string, string | undefined>): string[] {
  const needed = {
    DATABASE_URL: 'set it to your PostgreSQL; the embedded database is for development',
    GATEHOUSE_SEALING_KEY: 'set it to the output of `npx gatehouse secret generate` and keep it safe',
    GATEHOUSE_COOKIE_KEYS:
      'without it cookies would be unsigned; set it to the output of `npx gatehouse secret generate`',
    GATEHOUSE_SMTP_URL: 'set it to the server that takes your mail; the mailbox page is for development',
  }
  return Object.entries(needed).flatMap(([name, fix]) => (given[name] ? [] : [`${name}: ${fix}`]))
}

function passwordProblems(values: Variables): string[] {
  const [alone, beside] = [
    values.GATEHOUSE_PASSWORD_MIN_LENGTH,
    values.GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR,
  ]
  if (beside <= alone) return []
  return [
    `GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR: must not be more than GATEHOUSE_PASSWORD_MIN_LENGTH (${alone})`,
  ]
}

function olderThan(version: string, major: number, minor: number): boolean {
  const [givenMajor = 0, givenMinor = 0] = version.split('.').map(Number)
  return givenMajor < major || (givenMajor === major && givenMinor < minor)
}

/** The sealing key of a developer's machine, made in keys/ at the first start. */
function developmentKey(directory: string): string {
  const file = join(directory, 'development-sealing-key')
  mkdirSync(directory, { recursive: true })
  try {
    // `wx`: of two first starts at once one writes, and both read the same key.
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(file, 'utf8').trim()
}
