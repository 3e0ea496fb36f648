// Declares every environment variable: its form, its default, and what README says of it.
import { z } from 'zod'
import { parseMailAddress, parseSmtpUrl } from './mail-settings.ts'
import { isSecondFactorRule } from './second-factor-rule.ts'

const seconds = (initial: number) => z.coerce.number().int().positive().default(initial)
const port = z.coerce.number().int().min(0).max(65535)
const flag = z.enum(['true', 'false', '1', '0', 'on', 'off']).transform((value) => ['true', '1', 'on'].includes(value))
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean),
)
const sealingKey = z.string().refine((value) => /^[\w-]{43}=?$/.test(value), {
  message: 'must be 32 random bytes in base64url; make one with `npx gatehouse secret generate`',
})

/** NIST SP 800-63B-4 section 3.1.1.2: never fewer than 8, and at least 64 must be allowed. */
const passwordLength = (initial: number) => z.coerce.number().int().min(8).max(64).default(initial)
/** Kinds of characters, for those whose auditors ask for some of each. */
export const characterClasses = ['lower', 'upper', 'digit', 'symbol'] as const

const processVariables = {
  NODE_ENV: z.string().default('development').describe('`production` refuses every development default'),
  PORT: port.default(3000).describe('port of the server'),
  HOST: z.string().optional().describe('address to listen on; 127.0.0.1 in development, 0.0.0.0 in production'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('lowest level that is logged'),
}

const deploymentVariables = {
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgres:// or postgresql://')
    .optional()
    .describe('PostgreSQL; without it development starts an embedded one'),
  GATEHOUSE_ISSUER: z
    .string()
    .optional()
    .describe('the issuer, an origin such as https://login.example.com; http://localhost:PORT in development'),
  GATEHOUSE_SEALING_KEY: sealingKey
    .optional()
    .describe('seals private keys at rest, 32 random bytes in base64url; all other keys derive from it'),
  GATEHOUSE_SEALING_KEYS_OLD: list
    .pipe(z.array(sealingKey))
    .default([])
    .describe('earlier sealing keys, comma separated, while one is being rotated'),
  GATEHOUSE_COOKIE_KEYS: list
    .pipe(z.array(z.string().min(32, 'each key needs at least 32 characters')))
    .optional()
    .describe('keys that sign cookies, newest first, comma separated'),
  GATEHOUSE_TRUSTED_PROXIES: list.default([]).describe('CIDRs whose X-Forwarded-* headers are believed'),
  GATEHOUSE_WORKERS: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('processes; one per core in production, 1 in development'),
  GATEHOUSE_DATA_DIR: z
    .string()
    .default('.data')
    .describe('folder of the embedded database and the development client'),
  GATEHOUSE_INSECURE_HTTP: flag
    .default(false)
    .describe('lets a production start use an http issuer (trials, TLS ended elsewhere)'),
  GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL: z.email().optional().describe('first administrator, made at the first start only'),
  GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD: z
    .string()
    .min(15, 'needs at least 15 characters')
    .optional()
    .describe('password of the first administrator'),
  GATEHOUSE_DATABASE_POOL: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(10)
    .describe('connections to the database for each process'),
  GATEHOUSE_PREPARED_STATEMENTS: flag.default(true).describe('`false` behind a pgbouncer that does not know them'),
  GATEHOUSE_AUTHORIZE_LIMIT: z.coerce
    .number()
    .int()
    .positive()
    .default(1200)
    .describe('authorization requests a minute from one address without a session'),
}

const signInVariables = {
  GATEHOUSE_SIGN_UP: flag.default(true).describe('whether people may create an account themselves'),
  GATEHOUSE_REGISTRATION: z
    .enum(['off', 'token'])
    .default('off')
    .describe('dynamic client registration: `off`, or `token` for an initial access token (RFC 7591)'),
  GATEHOUSE_SESSION_IDLE: seconds(12 * 3600).describe('seconds after which an unused session ends'),
  GATEHOUSE_SESSION_ABSOLUTE: seconds(14 * 86_400).describe('seconds after which every session ends'),
}

const secondFactorVariables = {
  GATEHOUSE_SECOND_FACTOR: z
    .string()
    .refine(isSecondFactorRule, 'must be off, optional, required, or required-for:ROLE,ROLE')
    .default('optional')
    .describe(
      'who needs a second factor: `off`, `optional` (whoever has one), `required`, or `required-for:ROLE,ROLE`; clients may have a rule of their own',
    ),
  GATEHOUSE_EMAIL_CODES: flag.default(true).describe('whether codes by mail may serve as a second factor'),
  GATEHOUSE_SIGN_IN_LINKS: flag.default(true).describe('whether people may sign in by a link that is sent to them'),
  GATEHOUSE_USERNAMES: flag.default(false).describe('whether people are offered a username beside their address'),
  GATEHOUSE_DELETION_DAYS: z.coerce
    .number()
    .int()
    .min(0)
    .max(365)
    .default(14)
    .describe('days between a request to delete an account and its deletion'),
}

const passwordVariables = {
  GATEHOUSE_PASSWORD_MIN_LENGTH: passwordLength(15).describe('fewest characters of a password that is the only factor'),
  GATEHOUSE_PASSWORD_MIN_LENGTH_WITH_SECOND_FACTOR: passwordLength(8).describe(
    'fewest characters of a password beside a second factor',
  ),
  GATEHOUSE_PASSWORD_MIN_STRENGTH: z.coerce
    .number()
    .int()
    .min(0)
    .max(4)
    .default(2)
    .describe('lowest zxcvbn score, 0 (any) to 4; see [passwords](docs/passwords.md)'),
  GATEHOUSE_PASSWORD_COMPOSITION: list
    .pipe(z.array(z.enum(characterClasses)))
    .default([])
    .describe('kinds of characters that each password must hold: `lower,upper,digit,symbol`; off unless set'),
  GATEHOUSE_PASSWORD_HISTORY: z.coerce
    .number()
    .int()
    .min(0)
    .max(24)
    .default(0)
    .describe('how many earlier passwords, beside the present one, may not come back'),
  GATEHOUSE_PASSWORD_MAX_AGE_DAYS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3650)
    .default(0)
    .describe('days after which a password must be changed; 0 is never'),
}

const mailVariables = {
  GATEHOUSE_SMTP_URL: z
    .string()
    .transform((text, context) => {
      const server = parseSmtpUrl(text)
      if (!server) context.addIssue('must be smtp://USER:PASSWORD@HOST:PORT or smtps://…, with %-encoded parts')
      return server ?? z.NEVER
    })
    .optional()
    .describe('server that takes mail, such as smtps://user:password@smtp.example.com; see docs/mail.md'),
  GATEHOUSE_MAIL_FROM: z
    .string()
    .transform((text, context) => {
      const from = parseMailAddress(text)
      if (!from) context.addIssue('must be an address, such as Example <no-reply@example.com>')
      return from ?? z.NEVER
    })
    .optional()
    .describe('sender of every message, with or without a display name; no-reply@ the issuer’s host'),
}

const brandingVariables = {
  GATEHOUSE_BRANDING_DIR: z
    .string()
    .optional()
    .describe(
      'folder with the name, logo, colours, texts and views of this deployment and its clients: docs/branding.md',
    ),
}

/** Every variable by its full name. README's table is held to this object by a test. */
export const variables = {
  ...processVariables,
  ...deploymentVariables,
  ...signInVariables,
  ...secondFactorVariables,
  ...passwordVariables,
  ...mailVariables,
  ...brandingVariables,
} as const
