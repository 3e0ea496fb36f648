// The few methods of the engine's models that are replaced; public classes, checked against oidc-provider 9.13: read this at each upgrade.
import { createHash } from 'node:crypto'
import { type Client as EngineClient, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider'
import { isLiveSecret } from '../clients/client-secret.ts'
import type { Client } from '../clients/client-store.ts'
import type { Sealing } from '../sealing.ts'
import { reportedAcr } from './policy/acr.ts'
import type { ReplayStore } from './storage/replay-store.ts'
import type { SessionStore } from './storage/session-store.ts'
import { successorOf } from './storage/successor.ts'

export interface SeamParts {
  sealing: Sealing
  sessions: Pick<SessionStore, 'supersede'>
  replays: ReplayStore
  findClient(clientId: string): Promise<Client | undefined>
  /** Refuses for a moment when there is no key to sign with, and has it made. */
  demandKey(alg: unknown): Promise<void>
  now(): Date
}

export interface Seams {
  /** Our own record of a client that the engine has loaded. */
  clientOf(client: EngineClient): Client
  apply(provider: Provider): void
}

export function createEngineSeams(parts: SeamParts): Seams {
  const records = new WeakMap<object, Client>()
  const clientOf = (client: EngineClient): Client => {
    const record = records.get(client)
    if (!record) throw new TypeError(`The client ${client.clientId} was not loaded through Client.find.`)
    return record
  }
  return {
    clientOf,
    apply: (provider) => {
      cacheClients(provider, parts, records)
      compareSecretDigests(provider, parts, clientOf)
      nameRefusedGrantTypes(provider)
      nameRefusedResponseTypes(provider)
      reportRequestedAcr(provider)
      deriveSuccessors(provider, parts)
      keepSessionsTogether(provider, parts)
      claimProofsOnce(provider, parts)
      slowPollingDown(provider, parts)
    },
  }
}

/** The engine parses and validates metadata at each use, and keeps a hundred clients; a record stays the same until it changes. */
function cacheClients(
  provider: Provider,
  { findClient, demandKey }: SeamParts,
  records: WeakMap<object, Client>,
): void {
  const built = new WeakMap<Client, Promise<EngineClient | undefined>>()
  const find = provider.Client.find.bind(provider.Client)
  provider.Client.find = async (clientId: string) => {
    const record = typeof clientId === 'string' && clientId ? await findClient(clientId) : undefined
    if (!record || record.disabledAt) return undefined
    const known = built.get(record)
    if (known) return known
    await demandKey(record.metadata.id_token_signed_response_alg)
    const building = find(clientId).then((client) => {
      if (client) records.set(client, record)
      return client
    })
    built.set(record, building)
    building.catch(() => built.delete(record))
    return building
  }
}

function compareSecretDigests(provider: Provider, { now }: SeamParts, clientOf: Seams['clientOf']): void {
  const prototype = provider.Client.prototype as unknown as { compareClientSecret(presented: string): boolean }
  prototype.compareClientSecret = function (this: EngineClient, presented) {
    return isLiveSecret(clientOf(this).secrets, presented, now())
  }
}

/** The engine calls it an invalid request; RFC 6749 section 5.2 has a name for it that clients look for. */
function nameRefusedGrantTypes(provider: Provider): void {
  const prototype = provider.Client.prototype as unknown as { grantTypeAllowed(type: string): boolean }
  const { grantTypeAllowed } = prototype
  prototype.grantTypeAllowed = function (this: object, type) {
    const isAllowed = grantTypeAllowed.call(this, type)
    const oidc = Provider.ctx?.oidc
    if (!isAllowed && oidc?.route === 'token' && oidc.params?.grant_type === type)
      throw new errors.UnauthorizedClient('this client may not use this grant type')
    return isAllowed
  }
}

/** Likewise. That `none` exists at all is between this server and its own pages (RFC 6749 section 4.1.2.1). */
function nameRefusedResponseTypes(provider: Provider): void {
  const prototype = provider.Client.prototype as unknown as { responseTypeAllowed(type: string): boolean }
  const { responseTypeAllowed } = prototype
  prototype.responseTypeAllowed = function (this: object, type) {
    if (responseTypeAllowed.call(this, type)) return true
    throw type === 'none'
      ? new errors.UnsupportedResponseType()
      : new errors.UnauthorizedClient('this client may not use this response type')
  }
}

/** What goes into codes, and from there into every token. The session keeps what was reached. */
function reportRequestedAcr(provider: Provider): void {
  Object.defineProperty(provider.OIDCContext.prototype, 'acr', {
    configurable: true,
    get(this: KoaContextWithOIDC['oidc']) {
      return reportedAcr(this.session?.acr, this.params ?? {})
    },
  })
}

/** A repeated rotation gives the successor that the first one gave. */
function deriveSuccessors(provider: Provider, { sealing }: SeamParts): void {
  const prototype = provider.RefreshToken.prototype as unknown as { generateTokenId(): string }
  const random = prototype.generateTokenId
  prototype.generateTokenId = function (this: object) {
    const rotated = Provider.ctx?.oidc.entities.RotatedRefreshToken
    return rotated ? successorOf(sealing, rotated.jti) : random.call(this)
  }
}

interface SessionPrototype {
  save(ttl: number): Promise<string>
  persist(): Promise<string>
}

/** A renewed cookie value leaves the old one to the other tabs for a moment; the engine would destroy it. */
function keepSessionsTogether(provider: Provider, { sealing, sessions }: SeamParts): void {
  const prototype = provider.Session.prototype as unknown as SessionPrototype
  const { save, persist } = prototype
  // The engine persists what its error handler has written into a session that was never saved, and would throw.
  prototype.persist = async function (this: { exp?: number }) {
    return typeof this.exp === 'number' ? persist.call(this) : ''
  }
  prototype.save = async function (this: { oldId?: string | undefined }, ttl) {
    const { oldId } = this
    if (oldId) {
      await sessions.supersede(sealing.digests(oldId))
      this.oldId = undefined
    }
    return save.call(this, ttl)
  }
}

/** The engine looks, then saves; two at once would both pass (CVE-2020-5300 was that). */
function claimProofsOnce(provider: Provider, { sealing, replays, now }: SeamParts): void {
  const model = provider.ReplayDetection as unknown as {
    unique(issuer: string, jti: string, exp: number): Promise<boolean>
  }
  model.unique = (issuer, jti, exp) => {
    const seconds = Math.min(Math.max(1, exp - Math.floor(now().getTime() / 1000)), 86_400)
    return replays.claim(sealing.digest(JSON.stringify([issuer, jti])), seconds)
  }
}

/** Between two questions of one device (RFC 8628 section 3.5), a little less than the five seconds that are the rule. */
const pollingInterval = 4500
const mostPolled = 10_000

/** In memory: a device that asks several nodes in turn may ask each of them as often. */
function slowPollingDown(provider: Provider, { now }: SeamParts): void {
  const polledAt = new Map<string, number>()
  const model = provider.DeviceCode as unknown as {
    find(id: string, options?: object): Promise<{ accountId?: string; error?: string } | undefined>
  }
  const find = model.find.bind(model)
  model.find = async (id, options) => {
    const code = await find(id, options)
    if (!code || code.accountId || code.error || Provider.ctx?.oidc.route !== 'token') return code
    const key = createHash('sha256').update(id).digest('base64url')
    const last = polledAt.get(key)
    polledAt.delete(key)
    polledAt.set(key, now().getTime())
    if (polledAt.size > mostPolled) polledAt.delete(polledAt.keys().next().value as string)
    if (last !== undefined && now().getTime() - last < pollingInterval)
      throw new errors.SlowDown('wait five seconds between two questions')
    return code
  }
}
