// The engine's adapter on PostgreSQL: rows are keyed by an HMAC of the id, so the database holds nothing that can be presented.
import { randomBytes } from 'node:crypto'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { errors } from 'oidc-provider'
import { exchangeGrantType } from '../../clients/exchange/exchange-grant.ts'
import type { Database } from '../../database/database.ts'
import { isMissingParent } from '../../database/faults.ts'
import type { Sealing } from '../../sealing.ts'
import type { RequestOrigin } from '../request-origin.ts'
import type { Artifact, ArtifactStore } from './artifact-store.ts'
import { type ClientRecords, createClientAdapter } from './client-adapter.ts'
import type { GrantStore } from './grant-store.ts'
import type { RegistrationTokenStore } from './registration-token-store.ts'
import { createSealedPayloads } from './sealed-payload.ts'
import type { SessionStore } from './session-store.ts'
import { createSignInCheck, type SignInCheckParts } from './sign-in-check.ts'
import { successorOf } from './successor.ts'

export interface AdapterParts extends SignInCheckParts {
  database: Database
  sealing: Sealing
  artifacts: ArtifactStore
  grants: GrantStore
  sessions: SessionStore
  registrationTokens: RegistrationTokenStore
  clients: ClientRecords
  /** Of the browser whose session is being saved. */
  requestOrigin(): RequestOrigin | undefined
}

/** Redeemed under the lock of their grant. */
const redeemed = new Set(['AuthorizationCode', 'RefreshToken', 'BackchannelAuthenticationRequest'])
/** Deleted together with their grant. */
const granted = new Set([...redeemed, 'AccessToken', 'DeviceCode'])
/** So much longer than its tokens a grant is kept, in seconds. */
const margin = 2 * 86_400

export function createPostgresAdapter(parts: AdapterParts) {
  const forArtifact = (model: string) => artifactAdapter(model, parts)
  return (model: string): Adapter => {
    switch (model) {
      case 'Client':
        return createClientAdapter(parts.clients)
      case 'Session':
        return sessionAdapter(parts)
      case 'Grant':
        return grantAdapter(parts)
      case 'InitialAccessToken':
        return registrationTokenAdapter(parts)
      default:
        return forArtifact(model)
    }
  }
}

const isExchanged = (model: string, { gty }: AdapterPayload) => model === 'AccessToken' && gty === exchangeGrantType

const unsupported = (): never => {
  throw new TypeError('The engine asked its adapter for something that this model does not have.')
}

const unusedParts = {
  consume: async () => unsupported(),
  findByUid: async () => unsupported(),
  findByUserCode: async () => unsupported(),
  revokeByGrantId: async () => unsupported(),
}

function artifactAdapter(model: string, parts: AdapterParts): Adapter {
  const { database, sealing, artifacts, grants } = parts
  const payloads = createSealedPayloads({ sealing })
  const isStale = createSignInCheck(parts)

  const load = async (artifact: Artifact | undefined, id: string | undefined) => {
    // A token of another kind is not found under this one: an access token is no refresh token.
    if (artifact?.model !== model) return undefined
    const isSpent = artifact.isConsumed && !(await mayRetry(artifact, id))
    const payload = { ...payloads.open(model, artifact.payload, id), ...(isSpent ? { consumed: true } : undefined) }
    // Its grant is another client's: it lives and dies with that, and has no say in it.
    if (isExchanged(model, payload)) return { ...payload, grantId: undefined }
    return model === 'Interaction' && (await isStale(payload)) ? undefined : payload
  }

  // The answer to a rotation got lost: the same refresh token once more is no theft while its successor has not been used.
  const mayRetry = async (artifact: Artifact, id: string | undefined) =>
    model === 'RefreshToken' &&
    id !== undefined &&
    artifact.isConsumedJustNow &&
    !(await artifacts.isConsumed(sealing.digests(successorOf(sealing, id))))

  const findOne = (keys: Buffer[]) => {
    if (!database.isInTransaction()) return artifacts.find(keys)
    if (redeemed.has(model)) return artifacts.findWithGrant(keys)
    if (model === 'DeviceCode' || model === 'PushedAuthorizationRequest') return artifacts.findForUpdate(keys)
    return artifacts.find(keys)
  }

  const upsert = async (id: string, payload: AdapterPayload, expiresIn: number) => {
    const grantId = granted.has(model) ? payload.grantId : undefined
    await artifacts.upsert({
      keys: sealing.digests(id),
      model,
      grantKeys: grantId ? sealing.digests(grantId) : undefined,
      clientId: grantId && !isExchanged(model, payload) ? undefined : payload.clientId,
      userCodeKey: payload.userCode ? sealing.digest(payload.userCode) : undefined,
      payload: payloads.close(model, payload),
      expiresIn,
    })
    if (!grantId) return
    if (model === 'AuthorizationCode') {
      const isOffline = payload.scope?.split(' ').includes('offline_access') ?? false
      await grants.bindToSession(sealing.digests(grantId), payload.sessionUid, isOffline)
    }
    if (model === 'RefreshToken') await grants.outlive(sealing.digests(grantId), expiresIn + margin)
  }

  return {
    ...unusedParts,
    find: async (id) => load(await findOne(sealing.digests(id)), id),
    findByUserCode: async (userCode) => load(await artifacts.findByUserCode(sealing.digests(userCode)), undefined),
    upsert: async (id, payload, expiresIn = unsupported()) => {
      // A refusal on the device page is told to the device, although the page itself answers an error.
      if (model === 'DeviceCode' && payload.error) database.commitAnyway()
      try {
        await upsert(id, payload, expiresIn)
      } catch (error) {
        if (isMissingParent(error)) throw new errors.InvalidGrant('the grant, account or client is no longer there')
        throw error
      }
    },
    consume: async (id) => {
      const keys = sealing.digests(id)
      if (await artifacts.consume(keys)) return
      if (model === 'RefreshToken' && (await artifacts.consumeAgain(keys))) return
      throw model === 'PushedAuthorizationRequest'
        ? new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used')
        : new errors.InvalidGrant(`${model} was redeemed by another request at the same time`)
    },
    destroy: async (id) => {
      await artifacts.remove(sealing.digests(id))
      // Presented for another client's registration: the engine takes it away and answers an error.
      if (model === 'RegistrationAccessToken') database.commitAnyway()
    },
    revokeByGrantId: async (grantId) => {
      // A replay's revocation counts although its answer is an error.
      database.commitAnyway()
      await artifacts.removeOfGrant(sealing.digests(grantId), model)
    },
  }
}

function grantAdapter({ database, sealing, grants }: AdapterParts): Adapter {
  return {
    ...unusedParts,
    find: async (id) => {
      const grant = await grants.find(sealing.digests(id))
      return grant && { ...grant.payload, exp: Math.floor(grant.expiresAt.getTime() / 1000), jti: id }
    },
    upsert: async (id, { jti: _, ...payload }, expiresIn = unsupported()) => {
      const { accountId, clientId } = payload
      if (!accountId || !clientId) throw new TypeError('A grant needs an account and a client.')
      await grants.upsert({ keys: sealing.digests(id), sub: accountId, clientId, payload, expiresIn })
    },
    destroy: async (id) => {
      database.commitAnyway()
      await grants.remove(sealing.digests(id))
    },
  }
}

function sessionAdapter({ database, sealing, sessions, grants, requestOrigin }: AdapterParts): Adapter {
  const payloads = createSealedPayloads({ sealing })
  return {
    ...unusedParts,
    find: async (id) => {
      const session = await sessions.find(sealing.digests(id))
      if (!session) return undefined
      if (!session.isSuperseded || !database.isInTransaction()) return payloads.open('Session', session.payload, id)
      // The engine answers with the cookie that it was asked with: an old one would outlive its grace and sign the person out.
      const fresh = randomBytes(32).toString('base64url')
      await sessions.addKey(sealing.digest(fresh), session.uid)
      return payloads.open('Session', session.payload, fresh)
    },
    findByUid: async (uid) => {
      const session = await sessions.findByUid(uid)
      return session && payloads.open('Session', session.payload, undefined)
    },
    upsert: async (id, payload, expiresIn = unsupported()) =>
      sessions.upsert({
        key: sealing.digest(id),
        uid: payload.uid ?? unsupported(),
        sub: payload.accountId,
        payload: payloads.close('Session', payload),
        expiresIn,
        ...requestOrigin(),
      }),
    destroy: async (id) => {
      const uid = await sessions.remove(sealing.digests(id))
      if (uid) await grants.removeOfSessions([uid])
    },
  }
}

function registrationTokenAdapter({ sealing, registrationTokens }: AdapterParts): Adapter {
  const seconds = (date: Date) => Math.floor(date.getTime() / 1000)
  return {
    ...unusedParts,
    find: async (id) => {
      const token = await registrationTokens.find(sealing.digests(id))
      return (
        token && {
          jti: id,
          kind: 'InitialAccessToken',
          iat: seconds(token.createdAt),
          exp: seconds(token.expiresAt),
          policies: ['registration'],
        }
      )
    },
    upsert: async () => unsupported(),
    destroy: async () => unsupported(),
  }
}
