// Finds out what a presented token is worth: whose it is, what it may do, until when; and refuses it when its account, client or grant is gone.
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ClientStore } from '../../clients/client-store.ts'
import type { Sealing } from '../../sealing.ts'
import type { Artifact, ArtifactStore } from '../storage/artifact-store.ts'
import type { GrantStore } from '../storage/grant-store.ts'
import type { Actor, Subject } from './exchange-decision.ts'
import type { PresentedToken } from './exchange-request.ts'
import {
  actorOf,
  authenticationOf,
  bad,
  fromClaims,
  isRecord,
  mayActOf,
  type SubjectRead,
  scopesOf,
  textsOf,
  transactionTokenType,
} from './subject-claims.ts'
import type { TrustedJwts } from './trusted-jwts.ts'

export interface SubjectTokenParts {
  issuer: string
  publicKeys: JSONWebKeySet
  sealing: Pick<Sealing, 'digests'>
  artifacts: Pick<ArtifactStore, 'find'>
  grants: Pick<GrantStore, 'find'>
  findClient: ClientStore['find']
  accounts: Pick<AccountStore, 'find'>
  /** The claims of a JWT access token of ours that introspection would call active. */
  liveClaims(token: string): Promise<JWTPayload | undefined>
  trustedJwts: TrustedJwts
}

export type SubjectTokens = ReturnType<typeof createSubjectTokens>

export function createSubjectTokens(parts: SubjectTokenParts) {
  const keys = createLocalJWKSet(parts.publicKeys)
  return {
    read: async ({ kind, token }: PresentedToken): Promise<SubjectRead> => {
      const isJwt = token.split('.').length === 3
      if (kind === 'jwt') return foreign(await parts.trustedJwts.read(token))
      if (kind === 'id_token') return idToken(token, keys, parts)
      if (kind === 'txn_token') return transactionToken(token, keys, parts)
      if (kind === 'access_token' && isJwt) return signed(token, parts)
      return stored(kind, token, parts)
    },
  }
}

async function signed(token: string, { liveClaims }: SubjectTokenParts): Promise<SubjectRead> {
  const claims = await liveClaims(token)
  if (!claims) return bad('it is no access token of this server that is still good')
  return fromClaims('access_token', claims, String(claims.client_id))
}

async function idToken(token: string, keys: ReturnType<typeof createLocalJWKSet>, parts: SubjectTokenParts) {
  const { issuer } = parts
  const verified = await jwtVerify(token, keys, { issuer, requiredClaims: ['sub', 'aud', 'iat', 'exp'] }).catch(
    () => undefined,
  )
  // Access tokens and logout tokens say what they are.
  const { typ } = verified?.protectedHeader ?? {}
  if (!verified || (typ !== undefined && typ.toUpperCase() !== 'JWT') || verified.payload.events !== undefined)
    return bad('it is no ID token of this server that is still good')
  const [clientId, ...more] = [verified.payload.aud].flat()
  if (clientId === undefined || more.length > 0) return bad('an ID token is for one client')
  const dead = await deathOf(String(verified.payload.sub), clientId, parts)
  // It tells who somebody is, and grants nothing.
  return dead ? bad(dead) : fromClaims('id_token', { ...verified.payload, scope: '', aud: [] }, clientId)
}

async function transactionToken(token: string, keys: ReturnType<typeof createLocalJWKSet>, parts: SubjectTokenParts) {
  const checks = {
    issuer: parts.issuer,
    typ: transactionTokenType,
    requiredClaims: ['sub', 'aud', 'iat', 'exp', 'txn', 'req_wl'],
  }
  const claims = await jwtVerify(token, keys, checks).then(
    ({ payload }) => payload,
    () => undefined,
  )
  if (!claims) return bad('it is no transaction token of this server that is still good')
  const workloads = String(claims.req_wl).split(',')
  const last = workloads.at(-1) ?? ''
  const dead = await deathOf(String(claims.sub), last, parts)
  const read = dead ? bad(dead) : fromClaims('txn_token', claims, last)
  if (!read.ok) return read
  const act = actorOf(claims.act)
  const chain = workloads.reduce<Actor | undefined>((before, sub) => ({ sub, ...(before && { act: before }) }), act)
  const { tctx, rctx } = claims
  const transaction = {
    txn: String(claims.txn),
    workloads,
    act,
    tctx: isRecord(tctx) ? tctx : undefined,
    rctx: isRecord(rctx) ? rctx : undefined,
  }
  return { ok: true as const, subject: { ...read.subject, act: chain, transaction } }
}

interface StoredToken {
  kind?: string
  clientId?: string
  accountId?: string
  grantId?: string
  aud?: string
  scope?: string
  exp?: number
  jkt?: string
  'x5t#S256'?: string
  authTime?: number
  acr?: string
  amr?: string[]
  extra?: Record<string, unknown>
}

const models: Partial<Record<Subject['kind'], readonly string[]>> = {
  access_token: ['AccessToken', 'ClientCredentials'],
  refresh_token: ['RefreshToken'],
}

/** Looked at only: an exchange consumes nothing. */
async function stored(kind: Subject['kind'], token: string, parts: SubjectTokenParts): Promise<SubjectRead> {
  const { sealing, artifacts } = parts
  const found = await artifacts.find(sealing.digests(token))
  if (!found || !models[kind]?.includes(found.model) || isSpent(found)) return bad(`there is no such ${kind}`)
  const payload = found.payload as StoredToken
  const { clientId = '', accountId = clientId, grantId, aud, scope, exp = 0, jkt, extra = {} } = payload
  if (payload['x5t#S256'] !== undefined) return bad('it is bound to something other than a DPoP key')
  const dead = (await deathOf(accountId, clientId, parts)) ?? (await endOf(grantId, parts))
  if (dead) return bad(dead)
  return {
    ok: true,
    subject: {
      kind,
      sub: accountId,
      clientId,
      audiences: textsOf(aud),
      issuer: undefined,
      scopes: scopesOf(scope),
      expiresAt: exp,
      act: actorOf(extra.act),
      mayAct: mayActOf(extra.may_act),
      jkt,
      grantId,
      transaction: undefined,
      authentication: authenticationOf(
        kind === 'refresh_token' ? { auth_time: payload.authTime, acr: payload.acr, amr: payload.amr } : extra,
      ),
    },
  }
}

/** For the one rotated a moment ago its holder may not have heard of the next one yet. */
const isSpent = ({ isConsumed, isConsumedJustNow }: Artifact) => isConsumed && !isConsumedJustNow

async function endOf(grantId: string | undefined, { sealing, grants }: SubjectTokenParts) {
  if (grantId === undefined || (await grants.find(sealing.digests(grantId)))) return undefined
  return 'what it was granted has ended'
}

/** Why nobody may act for this subject any more. */
async function deathOf(
  sub: string,
  clientId: string,
  { findClient, accounts }: Pick<SubjectTokenParts, 'findClient' | 'accounts'>,
): Promise<string | undefined> {
  const client = await findClient(clientId)
  if (!client || client.disabledAt) return 'the client that it was issued to was removed or disabled'
  if (sub === clientId) return undefined
  const subject = isMachine(sub) ? await findClient(sub) : await accounts.find(sub)
  return subject && !subject.disabledAt ? undefined : 'its account was removed or disabled'
}

/** CHECK constraints keep the two apart. */
export const isMachine = (sub: string): boolean => /^(client_|gatehouse-)/.test(sub)

function foreign(read: Awaited<ReturnType<TrustedJwts['read']>>): SubjectRead {
  if (!read.ok) return read
  const { sub, issuer, claims } = read
  return {
    ok: true,
    subject: {
      kind: 'jwt',
      sub,
      clientId: undefined,
      audiences: [],
      issuer,
      scopes: scopesOf(claims.scope),
      expiresAt: claims.exp ?? 0,
      act: actorOf(claims.act),
      mayAct: mayActOf(claims.may_act),
      jkt: undefined,
      grantId: undefined,
      transaction: undefined,
      // Its levels are not ours.
      authentication: {},
    },
  }
}
