// `gatehouse token`: issues tokens for trying things and for administration, and tells what a token says and is worth.
import { Command } from 'commander'
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose'
import type { CommandParts } from '../command-parts.ts'
import { addExplain } from '../exchange/explain-exchange.ts'
import { withDatabase } from '../open-database.ts'
import { collect, wholeNumber } from '../option-values.ts'
import { CommandRefusal, UsageError } from '../refusals.ts'
import { lines } from '../terminal.ts'
import { issueAdminToken, issueMachineToken } from './issue-token.ts'
import { lookUpToken } from './look-up-token.ts'
import { verifyToken } from './verify-token.ts'

interface IssueOptions {
  admin?: boolean
  account?: string
  client?: string
  audience?: string
  scope?: string[]
  ttl?: number
}

interface VerifyOptions {
  audience?: string
  acr?: string[]
  maxAge?: number
}

const longestTtl = 86_400

export function tokenCommand(parts: CommandParts): Command {
  const group = new Command('token')
  for (const add of [addIssue, addIntrospect, addDecode, addVerify, addExplain]) add(group, parts)
  return group
}

function addIssue(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('issue')
    .description('issue an access token: --admin for the admin API, --client as a machine would get it')
    .option('--admin', 'for the admin API')
    .option('--account <account>', 'with --admin: as this owner instead of the command line itself')
    .option('--client <client-id>', 'as the token endpoint would give it to this machine')
    .option('--audience <uri>', 'with --client: the API')
    .option('--scope <scope>', 'only this scope instead of all (repeatable)', collect)
    .option('--ttl <seconds>', 'with --admin: lifetime, 600 by default', wholeNumber)
    .action(async (options: IssueOptions) => {
      checkUsage(options)
      const { client: clientId, account, audience, scope: scopes, ttl } = options
      const token = await withDatabase(config(), (open) =>
        clientId === undefined
          ? issueAdminToken(open, { scopes, ttl, account })
          : issueMachineToken(open, { clientId, audience, scopes }),
      )
      terminal.print(token, token.access_token)
      const scope = token.scope === '' ? 'no scope' : token.scope
      terminal.note(`For ${token.audience}, ${token.expires_in} seconds, ${scope}.`)
    })
}

function checkUsage({ admin, account, client, audience, ttl }: IssueOptions): void {
  if (Boolean(admin) === Boolean(client)) throw new UsageError('Give either --admin or --client ID.')
  if (client && account !== undefined) throw new UsageError('--account goes with --admin only.')
  if (client && ttl !== undefined) throw new UsageError('--ttl goes with --admin only: an API has its own lifetime.')
  if (admin && audience !== undefined) throw new UsageError('--audience goes with --client only.')
  if (ttl !== undefined && (ttl < 1 || ttl > longestTtl)) throw new UsageError(`--ttl must be from 1 to ${longestTtl}.`)
}

function addIntrospect(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('introspect <token>')
    .description('look a token up in the database: is it worth anything now, and what')
    .action(async (token: string) => {
      const found = await withDatabase(config(), (open) => lookUpToken(open, token))
      terminal.print(found, claimLines(found))
    })
}

function addDecode(group: Command, { terminal }: CommandParts): void {
  group
    .command('decode <token>')
    .description('show what a JWT says; nothing is verified')
    .action((token: string) => {
      const { header, payload } = decoded(token)
      terminal.print({ header, payload, verified: false }, `${claimLines(header)}\n\n${claimLines(payload)}`)
      terminal.note('Nothing was verified: anybody can write such a token. Use `token verify`.')
    })
}

function addVerify(group: Command, { config, terminal }: CommandParts): void {
  group
    .command('verify <token>')
    .description('check a JWT access token as a service would, with the keys of the server or of the database')
    .option('--audience <uri>', 'the API that it must be for; without it, whatever the token names')
    .option('--acr <level>', 'an authentication level that is enough (repeatable)', collect)
    .option('--max-age <seconds>', 'how long ago the person may have signed in', wholeNumber)
    .action(async (token: string, { audience: given, acr, maxAge }: VerifyOptions) => {
      const audience = given ?? audienceOf(decoded(token).payload)
      const demands = { audience, ...(acr && { acrValues: acr }), ...(maxAge !== undefined && { maxAge }) }
      const { claims, keysFrom } = await verifyToken(config(), token, demands)
      terminal.print({ verified: true, keys_from: keysFrom, claims }, claimLines(claims))
      terminal.note(`Valid for ${audience}, by the keys of the ${keysFrom}.`)
    })
}

function audienceOf({ aud }: JWTPayload): string {
  const [first] = [aud].flat()
  if (first === undefined) throw new CommandRefusal('invalid_token', "The token's audience is missing.")
  return first
}

function decoded(token: string): { header: ProtectedHeaderParameters; payload: JWTPayload } {
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) }
  } catch {
    const message = 'This is not a signed JWT; an opaque token can only be looked up: `token introspect`.'
    throw new CommandRefusal('not_a_jwt', message)
  }
}

/** Times also as people read them. */
function claimLines(claims: object): string {
  const shown = Object.entries(claims).map(([name, value]) => {
    const isTime = ['iat', 'exp', 'nbf', 'auth_time'].includes(name) && typeof value === 'number'
    if (isTime) return [name, `${value} (${new Date(value * 1000).toISOString()})`] as const
    return [name, typeof value === 'string' ? value : JSON.stringify(value)] as const
  })
  return lines(Object.fromEntries(shown))
}
