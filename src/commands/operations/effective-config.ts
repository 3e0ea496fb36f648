// The configuration as it is in effect, by the names of its variables, with everything secret masked.

import type { variables } from '../../config/variables.ts'
import type { Config } from '../../config.ts'

type Value = string | number | boolean | string[] | null
export type EffectiveConfig = Record<keyof typeof variables, Value>

const mask = '********'

/** `databaseUrl` is the embedded database's; it is shown whole, since it works on this machine only. */
export function effectiveConfig(config: Config, databaseUrl: string | undefined): EffectiveConfig {
  const [, ...oldSealingKeys] = config.sealingKeys
  const { http, database, session, login, mail, password, bootstrapAdministrator } = config
  return {
    NODE_ENV: config.production ? 'production' : 'development',
    PORT: http.port,
    HOST: http.host,
    LOG_LEVEL: config.logLevel,
    DATABASE_URL: database.url === undefined ? (databaseUrl ?? null) : withoutPassword(database.url),
    GATEHOUSE_ISSUER: config.issuer,
    GATEHOUSE_SEALING_KEY: mask,
    GATEHOUSE_SEALING_KEYS_OLD: oldSealingKeys.map(() => mask),
    GATEHOUSE_COOKIE_KEYS: config.cookieKeys?.map(() => mask) ?? null,
    GATEHOUSE_TRUSTED_PROXIES: http.trustedProxies,
    GATEHOUSE_WORKERS: http.workers ?? null,
    GATEHOUSE_DATA_DIR: config.dataDir,
    GATEHOUSE_INSECURE_HTTP: config.insecureHttp,
    GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL: bootstrapAdministrator?.email ?? null,
    GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD: bootstrapAdministrator ? mask : null,
    GATEHOUSE_SIGN_UP: login.canSignUp,
    GATEHOUSE_SECOND_FACTOR: login.secondFactor,
    GATEHOUSE_EMAIL_CODES: login.canUseEmailCodes,
    GATEHOUSE_SIGN_IN_LINKS: login.canUseLinks,
    GATEHOUSE_USERNAMES: login.hasUsernames,
    GATEHOUSE_DELETION_DAYS: login.deletionDays,
    GATEHOUSE_REGISTRATION: config.registration,
    GATEHOUSE_SESSION_IDLE: session.idle,
    GATEHOUSE_SESSION_ABSOLUTE: session.absolute,
    GATEHOUSE_PASSWORD_MIN_LENGTH: password.minimumLength,
    GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR: password.minimumLengthWithSecondFactor,
    GATEHOUSE_PASSWORD_MIN_STRENGTH: password.minimumStrength,
    GATEHOUSE_PASSWORD_COMPOSITION: [...password.composition],
    GATEHOUSE_PASSWORD_HISTORY: password.historySize,
    GATEHOUSE_PASSWORD_MAX_AGE_DAYS: password.maxAgeDays,
    GATEHOUSE_SMTP_URL: mail.server ? withoutPassword(mail.server.url) : null,
    GATEHOUSE_MAIL_FROM: mail.from.name ? `${mail.from.name} <${mail.from.address}>` : mail.from.address,
    GATEHOUSE_DATABASE_POOL: database.poolSize,
    GATEHOUSE_PREPARED_STATEMENTS: database.preparedStatements,
    GATEHOUSE_AUTHORIZE_LIMIT: http.authorizeLimit,
    GATEHOUSE_BRANDING_DIR: config.brandingDir ?? null,
  }
}

function withoutPassword(given: string): string {
  // libpq also takes forms that are no URL: then nothing is shown rather than too much.
  if (!URL.canParse(given)) return mask
  const url = new URL(given)
  if (url.password) url.password = mask
  if (url.searchParams.has('password')) url.searchParams.set('password', mask)
  return url.href
}
