// Lets a request to the admin API in: an access token of this server for it (RFC 9068, RFC 6750), whose subject holds the right now.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { ClientStore } from '../clients/client-store.ts'
import { type AppError, forbidden, unauthorized } from '../http/errors.ts'

export interface Caller {
  /** An account's `sub`, or the id of a machine client. */
  subject: string
  clientId: string
  isMachine: boolean
  /** What the token says and the subject still holds. */
  scopes: ReadonlySet<string>
}

export interface GuardParts {
  issuer: string
  adminAudience: string
  publicKeys(): JSONWebKeySet
  findClient: ClientStore['find']
  findAccount: AccountStore['find']
}

export type Guard = ReturnType<typeof createGuard>

export function createGuard(parts: GuardParts) {
  const verify = createTokenCheck(parts)
  return {
    /** Throws 401 or 403 with the challenge of RFC 6750. */
    admit: async (ctx: Pick<Context, 'get'>, scope: string): Promise<Caller> => {
      const { sub, client_id: clientId, scope: given } = await verify(bearerToken(ctx.get('Authorization')))
      const scopes = new Set(given.split(' '))
      const caller =
        sub === clientId ? await machine(clientId, scopes, parts) : await person(sub, clientId, scopes, parts)
      if (!caller.scopes.has(scope)) throw insufficientScope(scope, `This needs the scope ${scope}.`)
      return caller
    },
  }
}

function bearerToken(header: string): string {
  if (header === '') {
    throw unauthorized('token_required', 'Send an access token for the admin API: Authorization: Bearer …', {
      headers: { 'WWW-Authenticate': `Bearer realm="${realm}"` },
    })
  }
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1]
  if (!token) throw invalidToken('The Authorization header must be: Bearer, a space, and an access token.')
  return token
}

interface Claims {
  sub: string
  client_id: string
  scope: string
}

function createTokenCheck({ issuer, adminAudience, publicKeys }: GuardParts) {
  const options = {
    issuer,
    audience: adminAudience,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  }
  let keys: { from: JSONWebKeySet; find: ReturnType<typeof createLocalJWKSet> } | undefined

  return async (token: string): Promise<Claims> => {
    const from = publicKeys()
    if (keys?.from !== from) keys = { from, find: createLocalJWKSet(from) }
    try {
      const { payload } = await jwtVerify(token, keys.find, options)
      return claimsOf(payload)
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw invalidToken('The access token has expired. Get a new one.')
      if (error instanceof errors.JOSEError) throw invalidToken(`This is no valid access token for ${adminAudience}.`)
      throw error
    }
  }
}

function claimsOf({ sub, client_id: clientId, scope = '', aud, cnf }: JWTPayload): Claims {
  // A key-bound token without its proof is what a thief holds (RFC 9449, 7.1).
  if (cnf !== undefined)
    throw invalidToken('The admin API takes plain bearer tokens only, no token that is bound to a key (DPoP, mTLS).')
  if (typeof sub !== 'string' || typeof clientId !== 'string' || typeof scope !== 'string' || [aud].flat().length !== 1)
    throw invalidToken('The access token lacks a claim that it must have (RFC 9068, section 2.2).')
  return { sub, client_id: clientId, scope }
}

async function machine(
  clientId: string,
  scopes: ReadonlySet<string>,
  { findClient, adminAudience }: GuardParts,
): Promise<Caller> {
  const client = await findClient(clientId)
  if (!client || client.disabledAt) throw invalidToken('The client of this access token was removed or disabled.')
  const granted = client.kind === 'machine' ? new Set(client.apis[adminAudience]) : new Set<string>()
  return {
    subject: clientId,
    clientId,
    isMachine: true,
    scopes: new Set([...scopes].filter((scope) => granted.has(scope))),
  }
}

async function person(
  sub: string,
  clientId: string,
  scopes: ReadonlySet<string>,
  { findAccount, findClient }: GuardParts,
): Promise<Caller> {
  const [account, client] = [await findAccount(sub), await findClient(clientId)]
  if (!account || account.disabledAt) throw invalidToken('The account of this access token was removed or disabled.')
  if (!client || client.disabledAt) throw invalidToken('The client of this access token was removed or disabled.')
  if (!account.roles.includes('owner'))
    throw forbidden('role_required', 'Only an account with the role owner may administer this server.')
  return { subject: sub, clientId, isMachine: false, scopes }
}

const realm = 'gatehouse-admin'

function invalidToken(message: string): AppError {
  const text = message.replace(/[^\x20-\x7e]|["\\]/g, '')
  return unauthorized('invalid_token', message, {
    headers: { 'WWW-Authenticate': `Bearer realm="${realm}", error="invalid_token", error_description="${text}"` },
  })
}

export function insufficientScope(scope: string, message: string): AppError {
  return forbidden('insufficient_scope', message, {
    headers: { 'WWW-Authenticate': `Bearer realm="${realm}", error="insufficient_scope", scope="${scope}"` },
  })
}
