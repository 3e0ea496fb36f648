// The few methods of the engine's models that are replaced; public classes, checked against oidc-provider 9.13: read this at each upgrade.
import { type Client as EngineClient, Provider } from 'oidc-provider'
import { isLiveSecret } from '../clients/client-secret.ts'
import type { Client } from '../clients/client-store.ts'
import type { Sealing } from '../sealing.ts'
import type { ReplayStore } from './storage/replay-store.ts'
import type { SessionStore } from './storage/session-store.ts'
import { successorOf } from './storage/successor.ts'

export interface SeamParts {
  sealing: Sealing
  sessions: Pick<SessionStore, 'supersede'>
  replays: ReplayStore
  findClient(clientId: string): Promise<Client | undefined>
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
      deriveSuccessors(provider, parts)
      keepSessionsTogether(provider, parts)
      claimProofsOnce(provider, parts)
    },
  }
}

/** The engine parses and validates metadata at each use, and keeps a hundred clients; a record stays the same until it changes. */
function cacheClients(provider: Provider, { findClient }: SeamParts, records: WeakMap<object, Client>): void {
  const built = new WeakMap<Client, Promise<EngineClient | undefined>>()
  const find = provider.Client.find.bind(provider.Client)
  provider.Client.find = async (clientId: string) => {
    const record = typeof clientId === 'string' && clientId ? await findClient(clientId) : undefined
    if (!record || record.disabledAt) return undefined
    const known = built.get(record)
    if (known) return known
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

/** A repeated rotation gives the successor that the first one gave. */
function deriveSuccessors(provider: Provider, { sealing }: SeamParts): void {
  const prototype = provider.RefreshToken.prototype as unknown as { generateTokenId(): string }
  const random = prototype.generateTokenId
  prototype.generateTokenId = function (this: object) {
    const rotated = Provider.ctx?.oidc.entities.RotatedRefreshToken
    return rotated ? successorOf(sealing, rotated.jti) : random.call(this)
  }
}

/** A renewed cookie value leaves the old one to the other tabs for a moment; the engine would destroy it. */
function keepSessionsTogether(provider: Provider, { sealing, sessions }: SeamParts): void {
  const prototype = provider.Session.prototype as unknown as { oldId?: string; save(ttl: number): Promise<string> }
  const { save } = prototype
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
    const seconds = Math.max(1, exp - Math.floor(now().getTime() / 1000))
    return replays.claim(sealing.digest(JSON.stringify([issuer, jti])), seconds)
  }
}
