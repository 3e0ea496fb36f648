// Issues access tokens straight from the database: one for the admin API, or one as the token endpoint would give it to a machine.
import { randomBytes, randomUUID } from 'node:crypto'
import type { Api } from '../../apis/api-store.ts'
import { metadataFor } from '../../clients/client-kinds.ts'
import type { Client } from '../../clients/client-store.ts'
import { isUniqueViolation } from '../../database/faults.ts'
import { signJwt } from '../../keys/sign-jwt.ts'
import { requestedApi } from '../../oidc/policy/requested-api.ts'
import { createArtifactStore } from '../../oidc/storage/artifact-store.ts'
import { demandAdminApi } from '../demand-admin-api.ts'
import type { OpenDatabase } from '../open-database.ts'
import { openKeyRing } from '../open-key-ring.ts'
import { CommandRefusal, notFound } from '../refusals.ts'

/** The answer of the token endpoint (RFC 6749 section 5.1), and what it is for. */
export interface IssuedToken {
  access_token: string
  token_type: 'Bearer'
  /** Seconds. */
  expires_in: number
  scope: string
  audience: string
}

export interface AdminRequest {
  scopes: string[] | undefined
  /** Seconds. */
  ttl: number | undefined
  /** An owner, by e-mail address or sub, to act as instead of the command line itself. */
  account: string | undefined
}

export interface MachineRequest {
  clientId: string
  audience: string | undefined
  scopes: string[] | undefined
}

const cliClientId = 'gatehouse-cli'

export async function issueAdminToken(open: OpenDatabase, request: AdminRequest): Promise<IssuedToken> {
  const api = await demandAdminApi(open)
  const all = api.scopes.map(({ scope }) => scope)
  const scopes = request.scopes ?? all
  const unknown = scopes.find((scope) => !all.includes(scope))
  if (unknown)
    throw new CommandRefusal('invalid_scope', `The admin API has no scope ${unknown}. It has: ${all.join(', ')}.`)
  await ensureCliClient(open, api)
  const sub = request.account === undefined ? cliClientId : await demandOwner(open, request.account)
  return signed(open, { ...api, tokenTtl: request.ttl ?? api.tokenTtl }, { sub, clientId: cliClientId, scopes })
}

export async function issueMachineToken(open: OpenDatabase, request: MachineRequest): Promise<IssuedToken> {
  const client = await demandMachine(open, request.clientId)
  const decision = requestedApi({
    apis: client.apis,
    openidScopes: new Set(),
    isMachine: true,
    resource: request.audience,
    scopes: request.scopes ?? [],
  })
  if (!decision.ok) throw new CommandRefusal(decision.error, `${client.clientId}: ${decision.description}.`)
  const api = decision.audience === undefined ? undefined : await open.apis.find(decision.audience)
  if (!api) throw new CommandRefusal('invalid_target', `There is no API ${decision.audience}.`)
  // Never in the clear: the key may be somewhere else, and the server knows where.
  if (api.encryption)
    throw new CommandRefusal('encrypted', `Tokens for ${api.audience} are encrypted: get one at the token endpoint.`)
  const scopes = request.scopes ?? client.apis[api.audience] ?? []
  const subject = { sub: client.clientId, clientId: client.clientId, scopes }
  return api.tokenFormat === 'opaque' ? stored(open, api, subject) : signed(open, api, subject)
}

interface Subject {
  sub: string
  clientId: string
  scopes: string[]
}

/** RFC 9068 section 2.2. */
async function signed(open: OpenDatabase, api: Api, { sub, clientId, scopes }: Subject): Promise<IssuedToken> {
  const ring = await openKeyRing(open)
  await ring.ensureKeys()
  await ring.ensureAlgorithm(api.signingAlg)
  const iat = Math.floor(Date.now() / 1000)
  const times = { iat, exp: iat + api.tokenTtl }
  const about = { iss: open.config.issuer, sub, aud: api.audience, client_id: clientId }
  const scope = scopes.join(' ')
  const claims = { ...about, ...(scope && { scope }), jti: randomUUID(), ...times }
  return answer(api, scope, await signJwt(await ring.load(), api.signingAlg, { typ: 'at+jwt' }, claims))
}

/** As the engine's adapter keeps its ClientCredentials (oidc-provider 9.13): read this at each upgrade. */
async function stored(open: OpenDatabase, api: Api, { clientId, scopes }: Subject): Promise<IssuedToken> {
  await openKeyRing(open)
  const token = randomBytes(32).toString('base64url')
  const scope = scopes.join(' ')
  const iat = Math.floor(Date.now() / 1000)
  const times = { iat, exp: iat + api.tokenTtl }
  await createArtifactStore(open).upsert({
    keys: open.sealing.digests(token),
    model: 'ClientCredentials',
    grantKeys: undefined,
    clientId,
    userCodeKey: undefined,
    payload: { ...times, kind: 'ClientCredentials', clientId, aud: api.audience, ...(scope && { scope }) },
    expiresIn: api.tokenTtl,
  })
  return answer(api, scope, token)
}

const answer = ({ audience, tokenTtl }: Api, scope: string, token: string): IssuedToken => ({
  access_token: token,
  token_type: 'Bearer',
  expires_in: tokenTtl,
  scope,
  audience,
})

async function demandMachine({ clients }: OpenDatabase, clientId: string): Promise<Client> {
  const client = await clients.find(clientId)
  if (!client) throw notFound('client', clientId)
  if (client.disabledAt) throw new CommandRefusal('unauthorized_client', `The client ${clientId} is disabled.`)
  if (client.kind !== 'machine')
    throw new CommandRefusal(
      'unauthorized_client',
      `${clientId} is a ${client.kind} client: people sign in to get its tokens.`,
    )
  return client
}

async function demandOwner({ accounts }: OpenDatabase, who: string): Promise<string> {
  const account = (await accounts.findByEmail(who)) ?? (await accounts.find(who))
  if (!account) throw notFound('account', who)
  if (account.disabledAt) throw new CommandRefusal('disabled', `The account ${who} is disabled.`)
  if (!account.roles.includes('owner')) throw new CommandRefusal('not_owner', `The account ${who} is not an owner.`)
  return account.sub
}

/** Without a secret it can get no token from the token endpoint. */
async function ensureCliClient({ clients }: OpenDatabase, api: Api): Promise<void> {
  const granted = api.scopes.map(({ scope }) => scope)
  const existing = await clients.find(cliClientId)
  if (existing?.disabledAt)
    throw new CommandRefusal(
      'disabled',
      `${cliClientId} is disabled: enable it with \`clients update ${cliClientId} --enable\`.`,
    )
  if (existing?.apis[api.audience]?.length === granted.length) return
  const apis = { [api.audience]: granted }
  if (existing) {
    await clients.update(cliClientId, { apis })
    return
  }
  const name = 'Gatehouse command line'
  const client = { clientId: cliClientId, kind: 'machine' as const, name, metadata: metadataFor('machine', {}), apis }
  // Two commands at once: one makes it, for both.
  await clients.insert({ ...client, isBuiltIn: true }).catch((error: unknown) => {
    if (!isUniqueViolation(error)) throw error
  })
}
