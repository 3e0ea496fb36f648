// What the engine expects of its adapter, and what this one promises beyond, on a real database, model by model.
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { createSecurityVersionStore } from '../../../src/accounts/security-version-store.ts'
import { createClientCache } from '../../../src/clients/client-cache.ts'
import { createClientStore } from '../../../src/clients/client-store.ts'
import type { Database } from '../../../src/database/database.ts'
import { createArtifactStore } from '../../../src/oidc/storage/artifact-store.ts'
import { createGrantStore } from '../../../src/oidc/storage/grant-store.ts'
import { createPostgresAdapter } from '../../../src/oidc/storage/postgres-adapter.ts'
import { createRegistrationTokenStore } from '../../../src/oidc/storage/registration-token-store.ts'
import { createReplayStore } from '../../../src/oidc/storage/replay-store.ts'
import { createSessionStore } from '../../../src/oidc/storage/session-store.ts'
import { createSealing } from '../../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../../support/fresh-database.ts'

const sub = 'alice'
const otherSub = 'bob'
const clientId = 'client_contract'
const newestKey = randomBytes(32)
const id = () => randomBytes(32).toString('base64url')

function createParts(database: Database, keys: Buffer[]) {
  const sealing = createSealing(keys)
  const clients = createClientStore({ database })
  const cache = createClientCache({ store: clients, database, isListening: () => true, now: Date.now })
  return {
    database,
    sealing,
    artifacts: createArtifactStore({ database }),
    grants: createGrantStore({ database }),
    sessions: createSessionStore({ database }),
    registrationTokens: createRegistrationTokenStore({ database }),
    replays: createReplayStore({ database }),
    securityVersions: createSecurityVersionStore({ database }),
    requestOrigin: () => undefined,
    clients: { database, store: clients, cache },
  }
}

let fresh: FreshDatabase
let parts: ReturnType<typeof createParts>
let adapter: (model: string) => Adapter

beforeAll(async () => {
  fresh = await freshDatabase()
  parts = createParts(fresh.database, [newestKey])
  adapter = createPostgresAdapter(parts)
  for (const name of [sub, otherSub])
    await fresh.database.query('INSERT INTO accounts (sub, email) VALUES ($1, $2)', [name, `${name}@example.com`])
  await parts.clients.store.insert({ clientId, kind: 'web', name: 'Contract', metadata: {} })
})
afterAll(() => fresh.drop())

const now = () => Math.floor(Date.now() / 1000)

async function newGrant(): Promise<string> {
  const grantId = id()
  const payload = { accountId: sub, clientId, openid: { scope: 'openid' }, kind: 'Grant', jti: grantId }
  await adapter('Grant').upsert(grantId, payload as AdapterPayload, 3600)
  return grantId
}

/** As the engine saves it; `grantId` where the model has one. */
const samples: Record<string, (grantId: string) => object> = {
  AuthorizationCode: (grantId) => ({ accountId: sub, clientId, grantId, scope: 'openid', codeChallenge: 'c' }),
  RefreshToken: (grantId) => ({ accountId: sub, clientId, grantId, scope: 'openid offline_access', rotations: 0 }),
  AccessToken: (grantId) => ({ accountId: sub, clientId, grantId, scope: 'openid', extra: { nested: [1, null] } }),
  DeviceCode: () => ({ clientId, userCode: id(), params: { client_id: clientId, scope: 'openid' } }),
  ClientCredentials: () => ({ clientId, aud: 'https://api.example.com', scope: 'things:read' }),
  RegistrationAccessToken: () => ({ clientId, policies: ['registration'] }),
  PushedAuthorizationRequest: () => ({ request: 'eyJ.eyJ.', trusted: true }),
  Interaction: () => ({
    params: { client_id: clientId, state: 's' },
    prompt: { name: 'login', reasons: ['no_session'], details: {} },
    session: { accountId: sub, uid: 'u', cookie: id() },
    returnTo: 'http://localhost/authorize/x',
    lastSubmission: {},
    cid: id(),
  }),
}

async function save(model: string, expiresIn = 60, given = id()): Promise<{ key: string; payload: AdapterPayload }> {
  const payload = { ...samples[model]?.(await newGrant()), kind: model, iat: now(), exp: now() + expiresIn, jti: given }
  await adapter(model).upsert(given, payload as AdapterPayload, expiresIn)
  return { key: given, payload: payload as AdapterPayload }
}

const expireAll = (table: string) =>
  fresh.database.query(`UPDATE ${table} SET expires_at = clock_timestamp() - interval '1 s'`)

describe.each(Object.keys(samples))('a stored %s', (model) => {
  it('comes back as it was saved, inside a transaction and outside', async () => {
    const { key, payload } = await save(model)
    expect(await adapter(model).find(key)).toEqual(payload)
    expect(await fresh.database.transaction(() => adapter(model).find(key) as Promise<unknown>)).toEqual(payload)
  })

  it('is not found under another id', async () => {
    await save(model)
    expect(await adapter(model).find(id())).toBeUndefined()
  })

  it('is replaced when it is saved again', async () => {
    const { key, payload } = await save(model)
    await adapter(model).upsert(key, { ...payload, error: 'changed' }, 60)
    expect(await adapter(model).find(key)).toEqual({ ...payload, error: 'changed' })
  })

  it('is gone once it is destroyed, and destroying it again is no error', async () => {
    const { key } = await save(model)
    await adapter(model).destroy(key)
    await adapter(model).destroy(key)
    expect(await adapter(model).find(key)).toBeUndefined()
  })

  it('is not found after its time, before anybody has cleaned up', async () => {
    const { key, payload } = await save(model)
    await expireAll('artifacts')
    expect(await adapter(model).find(key)).toBeUndefined()
    expect(await fresh.database.transaction(() => adapter(model).find(key) as Promise<unknown>)).toBeUndefined()
    if (payload.userCode) expect(await adapter(model).findByUserCode(payload.userCode)).toBeUndefined()
  })

  it('is not found as anything else', async () => {
    const { key } = await save(model)
    for (const other of Object.keys(samples).filter((name) => name !== model)) {
      expect(await adapter(other).find(key)).toBeUndefined()
    }
  })

  it('stands in the table without its id', async () => {
    const { key, payload } = await save(model)
    const rows = await fresh.database.query('SELECT artifacts::text AS row FROM artifacts')
    expect(JSON.stringify(rows)).not.toContain(key)
    if (payload.userCode) expect(JSON.stringify(rows)).not.toContain(payload.userCode)
  })
})

describe.each(['AuthorizationCode', 'DeviceCode', 'PushedAuthorizationRequest'])('redeeming a %s', (model) => {
  it('works once', async () => {
    const { key } = await save(model)
    await adapter(model).consume(key)
    expect(await adapter(model).find(key)).toMatchObject({ consumed: true })
    const name = model === 'PushedAuthorizationRequest' ? 'InvalidRequestUri' : 'InvalidGrant'
    await expect(adapter(model).consume(key)).rejects.toMatchObject({ name })
  })

  it('is refused when there is nothing to redeem', async () => {
    await expect(adapter(model).consume(id())).rejects.toThrow()
  })

  it('stays done when it is saved again', async () => {
    const { key, payload } = await save(model)
    await adapter(model).consume(key)
    await adapter(model).upsert(key, payload, 60)
    expect(await adapter(model).find(key)).toMatchObject({ consumed: true })
  })
})

describe('redeeming a RefreshToken', () => {
  const consumedAgo = (key: string, seconds: number) =>
    fresh.database.query(
      'UPDATE artifacts SET consumed_at = clock_timestamp() - make_interval(secs => $2) WHERE key = $1',
      [parts.sealing.digest(key), seconds],
    )

  it('may be repeated while the answer may have been lost', async () => {
    const { key } = await save('RefreshToken')
    await adapter('RefreshToken').consume(key)
    expect(await adapter('RefreshToken').find(key)).not.toHaveProperty('consumed')
    await adapter('RefreshToken').consume(key)
    await consumedAgo(key, 9)
    expect(await adapter('RefreshToken').find(key)).not.toHaveProperty('consumed')
    await adapter('RefreshToken').consume(key)
  })

  it('does not prolong that time by being repeated', async () => {
    const { key } = await save('RefreshToken')
    await adapter('RefreshToken').consume(key)
    await consumedAgo(key, 9)
    await adapter('RefreshToken').consume(key)
    const [row] = await fresh.database.query<{ ago: number }>(
      'SELECT extract(epoch FROM clock_timestamp() - consumed_at)::float AS ago FROM artifacts WHERE key = $1',
      [parts.sealing.digest(key)],
    )
    expect(row?.ago).toBeGreaterThan(8.9)
  })

  it('is a replay afterwards', async () => {
    const { key } = await save('RefreshToken')
    await adapter('RefreshToken').consume(key)
    await consumedAgo(key, 11)
    expect(await adapter('RefreshToken').find(key)).toMatchObject({ consumed: true })
    await expect(adapter('RefreshToken').consume(key)).rejects.toMatchObject({ name: 'InvalidGrant' })
  })
})

describe('a grant', () => {
  it('comes back as it was saved', async () => {
    const grantId = await newGrant()
    expect(await adapter('Grant').find(grantId)).toMatchObject({
      jti: grantId,
      accountId: sub,
      openid: expect.anything(),
    })
    expect(await adapter('Grant').find(id())).toBeUndefined()
  })

  it('takes everything that was issued under it along', async () => {
    const saved = await Promise.all(['AuthorizationCode', 'RefreshToken', 'AccessToken'].map((model) => save(model)))
    for (const { payload, key } of saved) {
      await adapter('Grant').destroy(String(payload.grantId))
      expect(await adapter('Grant').find(String(payload.grantId))).toBeUndefined()
      expect(await adapter(String(payload.kind)).find(key)).toBeUndefined()
    }
  })

  it.each(['AuthorizationCode', 'RefreshToken', 'AccessToken'])(
    'that is gone lets no %s be issued: the client hears invalid_grant',
    async (model) => {
      const grantId = await newGrant()
      await adapter('Grant').destroy(grantId)
      const payload = { ...samples[model]?.(grantId), kind: model, jti: id() } as AdapterPayload
      await expect(adapter(model).upsert(id(), payload, 60)).rejects.toMatchObject({ name: 'InvalidGrant' })
    },
  )

  it('loses the tokens of one kind by revokeByGrantId', async () => {
    const grantId = await newGrant()
    const key = id()
    const payload = { ...samples.AccessToken?.(grantId), kind: 'AccessToken', jti: key } as AdapterPayload
    await adapter('AccessToken').upsert(key, payload, 60)
    await adapter('RefreshToken').revokeByGrantId(grantId)
    expect(await adapter('AccessToken').find(key)).toBeDefined()
    await adapter('AccessToken').revokeByGrantId(grantId)
    expect(await adapter('AccessToken').find(key)).toBeUndefined()
  })

  it('outlives the refresh tokens that are issued under it', async () => {
    const grantId = await newGrant()
    const month = 30 * 86_400
    const payload = { ...samples.RefreshToken?.(grantId), kind: 'RefreshToken', jti: id() } as AdapterPayload
    await adapter('RefreshToken').upsert(String(payload.jti), payload, month)
    expect((await adapter('Grant').find(grantId))?.exp).toBeGreaterThan(now() + month)
  })

  it('of a disabled account is not found', async () => {
    const grantId = await newGrant()
    await fresh.database.query('UPDATE accounts SET disabled_at = now() WHERE sub = $1', [sub])
    expect(await adapter('Grant').find(grantId)).toBeUndefined()
    await fresh.database.query('UPDATE accounts SET disabled_at = NULL WHERE sub = $1', [sub])
    expect(await adapter('Grant').find(grantId)).toBeDefined()
  })

  it('is not found after its time', async () => {
    const grantId = await newGrant()
    await expireAll('grants')
    expect(await adapter('Grant').find(grantId)).toBeUndefined()
  })
})

describe('a device code', () => {
  it('is found by its user code, saved again, and found by its id with what was decided', async () => {
    const { key, payload } = await save('DeviceCode')
    const found = (await adapter('DeviceCode').findByUserCode(String(payload.userCode))) as AdapterPayload
    expect(found).toEqual(payload)
    const grantId = await newGrant()
    await adapter('DeviceCode').upsert(String(found.jti), { ...found, accountId: sub, grantId }, 60)
    expect(await adapter('DeviceCode').find(key)).toMatchObject({ accountId: sub, grantId, userCode: payload.userCode })
    await adapter('Grant').destroy(grantId)
    expect(await adapter('DeviceCode').find(key)).toBeUndefined()
  })

  it('is not found by another user code', async () => {
    await save('DeviceCode')
    expect(await adapter('DeviceCode').findByUserCode(id())).toBeUndefined()
  })
})

describe('a session', () => {
  const sessions = () => adapter('Session')
  const saveSession = async (key: string, uid: string, accountId?: string, more: object = {}) =>
    sessions().upsert(key, { kind: 'Session', uid, accountId, jti: key, ...more } as AdapterPayload, 60)
  /** As the engine's seam does when a cookie value is renewed. */
  const renew = async (oldKey: string, key: string, uid: string, accountId: string) => {
    await parts.sessions.supersede(parts.sealing.digests(oldKey))
    await saveSession(key, uid, accountId)
  }
  const supersededAgo = (key: string, seconds: number) =>
    fresh.database.query(
      'UPDATE session_keys SET superseded_at = clock_timestamp() - make_interval(secs => $2) WHERE key = $1',
      [parts.sealing.digest(key), seconds],
    )

  it('comes back by its cookie value and by its uid', async () => {
    const [key, uid] = [id(), id()]
    await saveSession(key, uid, sub, { state: { secret: 'x' }, authorizations: { [clientId]: { sid: 's' } } })
    expect(await sessions().find(key)).toMatchObject({ jti: key, uid, accountId: sub, state: { secret: 'x' } })
    expect(await sessions().findByUid(uid)).toMatchObject({ uid, authorizations: { [clientId]: { sid: 's' } } })
    expect(await sessions().find(id())).toBeUndefined()
    expect(await sessions().findByUid(id())).toBeUndefined()
  })

  it('is one row under a renewed cookie value, and the earlier value serves other tabs for a moment', async () => {
    const [first, second, uid] = [id(), id(), id()]
    await saveSession(first, uid, sub)
    await renew(first, second, uid, sub)
    expect(await sessions().find(first)).toMatchObject({ uid, jti: first })
    expect(await sessions().find(second)).toMatchObject({ uid, jti: second })
    expect(await fresh.database.query('SELECT 1 FROM sessions WHERE uid = $1', [uid])).toHaveLength(1)
    await supersededAgo(first, 31)
    expect(await sessions().find(first)).toBeUndefined()
    expect(await sessions().find(second)).toBeDefined()
  })

  it('gives another tab a cookie value of its own in exchange for the earlier one', async () => {
    const [first, second, uid] = [id(), id(), id()]
    await saveSession(first, uid, sub)
    await renew(first, second, uid, sub)
    const find = () => sessions().find(first) as Promise<AdapterPayload>
    const { jti: third } = await fresh.database.transaction(find)
    expect([first, second]).not.toContain(third)
    await supersededAgo(first, 31)
    expect(await sessions().find(String(third))).toMatchObject({ uid, jti: third })
    expect(await sessions().find(second)).toMatchObject({ uid })
    await sessions().destroy(second)
    expect(await sessions().find(String(third))).toBeUndefined()
  })

  it('is not begun for an account that is disabled', async () => {
    const [key, uid] = [id(), id()]
    await fresh.database.query('UPDATE accounts SET disabled_at = now() WHERE sub = $1', [sub])
    await saveSession(key, uid, sub)
    await fresh.database.query('UPDATE accounts SET disabled_at = NULL WHERE sub = $1', [sub])
    expect(await sessions().find(key)).toBeUndefined()
  })

  it('is not opened by a cookie value from before the sign-in', async () => {
    const [anonymous, signedIn, uid] = [id(), id(), id()]
    await saveSession(anonymous, uid)
    await renew(anonymous, signedIn, uid, sub)
    expect(await sessions().find(anonymous)).toBeUndefined()
  })

  it('is not opened by a cookie value of the account that was signed in before', async () => {
    const [first, second, uid] = [id(), id(), id()]
    await saveSession(first, uid, sub)
    await renew(first, second, uid, otherSub)
    expect(await sessions().find(first)).toBeUndefined()
  })

  it('ends for every cookie value, with what was not granted for offline use', async () => {
    const [first, second, uid] = [id(), id(), id()]
    await saveSession(first, uid, sub)
    await renew(first, second, uid, sub)
    const [online, offline] = [await newGrant(), await newGrant()]
    for (const [grantId, scope] of [
      [online, 'openid'],
      [offline, 'openid offline_access'],
    ] as const) {
      const payload = {
        accountId: sub,
        clientId,
        grantId,
        scope,
        sessionUid: uid,
        kind: 'AuthorizationCode',
        jti: id(),
      }
      await adapter('AuthorizationCode').upsert(payload.jti, payload as AdapterPayload, 60)
    }
    await sessions().destroy(first)
    expect(await sessions().find(first)).toBeUndefined()
    expect(await sessions().find(second)).toBeUndefined()
    expect(await sessions().findByUid(uid)).toBeUndefined()
    expect(await adapter('Grant').find(online)).toBeUndefined()
    expect(await adapter('Grant').find(offline)).toBeDefined()
  })

  it('is not found after its time, nor while its account is disabled', async () => {
    const [key, uid] = [id(), id()]
    await saveSession(key, uid, sub)
    await fresh.database.query('UPDATE accounts SET disabled_at = now() WHERE sub = $1', [sub])
    expect(await sessions().find(key)).toBeUndefined()
    expect(await sessions().findByUid(uid)).toBeUndefined()
    await fresh.database.query('UPDATE accounts SET disabled_at = NULL WHERE sub = $1', [sub])
    expect(await sessions().find(key)).toBeDefined()
    await expireAll('sessions')
    expect(await sessions().find(key)).toBeUndefined()
    expect(await sessions().findByUid(uid)).toBeUndefined()
  })
})

describe('a client', () => {
  it('comes back with its metadata, and never with a secret that could be used', async () => {
    const registered = 'client_registered'
    const secret = id()
    const metadata = {
      redirect_uris: ['https://app.example.com/cb'],
      token_endpoint_auth_method: 'client_secret_basic',
    }
    await adapter('Client').upsert(registered, {
      client_id: registered,
      client_name: 'Registered',
      client_secret: secret,
      ...metadata,
    } as AdapterPayload)
    const found = await adapter('Client').find(registered)
    expect(found).toMatchObject({ client_id: registered, client_name: 'Registered', ...metadata })
    expect(JSON.stringify(found)).not.toContain(secret)
    await adapter('Client').destroy(registered)
    expect(await adapter('Client').find(registered)).toBeUndefined()
  })
})

describe('an initial access token', () => {
  it('is found while it has uses left', async () => {
    const token = id()
    await parts.registrationTokens.insert(parts.sealing.digest(token), 1, 60)
    expect(await adapter('InitialAccessToken').find(token)).toMatchObject({ jti: token, policies: ['registration'] })
    expect(await parts.registrationTokens.use(parts.sealing.digests(token))).toBe(true)
    expect(await parts.registrationTokens.use(parts.sealing.digests(token))).toBe(false)
    expect(await adapter('InitialAccessToken').find(token)).toBeUndefined()
  })
})

describe('a proof that works once', () => {
  it('is claimed by one of eight, again only after it has expired, and stays claimed when the request fails', async () => {
    const key = parts.sealing.digest(id())
    const claims = await Promise.all(Array.from({ length: 8 }, () => parts.replays.claim(key, 60)))
    expect(claims.filter(Boolean)).toHaveLength(1)
    await expireAll('replays')
    const failing = fresh.database.transaction(async () => {
      expect(await parts.replays.claim(key, 60)).toBe(true)
      throw new Error('refused for another reason')
    })
    await expect(failing).rejects.toThrow('refused for another reason')
    expect(await parts.replays.claim(key, 60)).toBe(false)
  })
})

describe('any payload that the engine can make', () => {
  // What PostgreSQL cannot store (NUL, lone surrogates) is refused in front of the engine; -0 is no JSON of its own.
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.includes('\u0000'))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    map: fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  }))
  const fields: Record<string, string[]> = {
    AccessToken: ['claims', 'extra', 'scope', 'rar'],
    Interaction: ['params', 'prompt', 'result', 'returnTo', 'lastSubmission'],
    DeviceCode: ['params', 'deviceInfo', 'scope'],
    PushedAuthorizationRequest: ['request'],
    Session: ['state', 'authorizations', 'amr'],
  }

  it.each(Object.entries(fields))(
    'comes back unchanged: %s',
    async (model, names) => {
      const payloads = fc.record(Object.fromEntries(names.map((name) => [name, value])))
      await fc.assert(
        fc.asyncProperty(payloads, async (given) => {
          const key = id()
          const fixed = model === 'AccessToken' ? { grantId: await newGrant(), accountId: sub } : {}
          const uid = model === 'Session' ? { uid: id() } : {}
          const payload = { ...given, ...fixed, ...uid, clientId, jti: key } as unknown as AdapterPayload
          await adapter(model).upsert(key, payload, 60)
          expect(await adapter(model).find(key)).toEqual(payload)
        }),
        { numRuns: 60 },
      )
    },
    30_000,
  )
})

describe('after a new sealing key was put in front of the old one', () => {
  let before: (model: string) => Adapter
  const rotated = () => createPostgresAdapter(createParts(fresh.database, [randomBytes(32), newestKey]))
  beforeEach(() => {
    before = adapter
    adapter = rotated()
  })
  afterEach(() => {
    adapter = before
  })

  /** Saved under the old key alone. */
  const saveBefore = async (model: string) => {
    const current = adapter
    adapter = before
    try {
      return await save(model)
    } finally {
      adapter = current
    }
  }

  it.each(Object.keys(samples))('a %s of before is found, saved again, and destroyed', async (model) => {
    const { key, payload } = await saveBefore(model)
    expect(await adapter(model).find(key)).toEqual(payload)
    await adapter(model).upsert(key, { ...payload, error: 'changed' }, 60)
    for (let reading = 0; reading < 2; reading += 1) {
      const read = () => adapter(model).find(key) as Promise<unknown>
      expect(await (reading ? fresh.database.transaction(read) : read())).toMatchObject({ error: 'changed' })
    }
    await adapter(model).destroy(key)
    expect(await adapter(model).find(key)).toBeUndefined()
  })

  it('a refresh token of before is rotated under its grant of before', async () => {
    const { key, payload } = await saveBefore('RefreshToken')
    const successor = id()
    await fresh.database.transaction(async () => {
      expect(await adapter('RefreshToken').find(key)).toEqual(payload)
      await adapter('RefreshToken').consume(key)
      await adapter('RefreshToken').upsert(successor, { ...payload, jti: successor }, 60)
    })
    expect(await adapter('RefreshToken').find(successor)).toMatchObject({ grantId: payload.grantId })
    await adapter('Grant').destroy(String(payload.grantId))
    expect(await adapter('RefreshToken').find(successor)).toBeUndefined()
  })

  it('a grant of before grows where it stands', async () => {
    const { payload } = await saveBefore('AccessToken')
    const grantId = String(payload.grantId)
    const grown = { accountId: sub, clientId, openid: { scope: 'openid email' }, jti: grantId }
    await adapter('Grant').upsert(grantId, grown as AdapterPayload, 3600)
    expect(await adapter('Grant').find(grantId)).toMatchObject({ openid: { scope: 'openid email' } })
  })

  it('a device code of before is found by its user code and approved', async () => {
    const { key, payload } = await saveBefore('DeviceCode')
    const found = (await adapter('DeviceCode').findByUserCode(String(payload.userCode))) as AdapterPayload
    await adapter('DeviceCode').upsert(String(found.jti), { ...found, accountId: sub, grantId: await newGrant() }, 60)
    const read = () => adapter('DeviceCode').find(key) as Promise<unknown>
    expect(await read()).toMatchObject({ accountId: sub })
    expect(await fresh.database.transaction(read)).toMatchObject({ accountId: sub })
  })

  it('a session of before is found by its cookie value, and ends', async () => {
    const [key, uid] = [id(), id()]
    await before('Session').upsert(key, { kind: 'Session', uid, accountId: sub, jti: key } as AdapterPayload, 60)
    expect(await adapter('Session').find(key)).toMatchObject({ uid })
    await adapter('Session').upsert(
      key,
      { kind: 'Session', uid, accountId: sub, jti: key, acr: 'x' } as AdapterPayload,
      60,
    )
    expect(await adapter('Session').find(key)).toMatchObject({ acr: 'x' })
    await adapter('Session').destroy(key)
    expect(await adapter('Session').find(key)).toBeUndefined()
  })

  it('nothing of before is found once the old key is taken away', async () => {
    const { key } = await saveBefore('AccessToken')
    const without = createPostgresAdapter(createParts(fresh.database, [randomBytes(32)]))
    expect(await without('AccessToken').find(key)).toBeUndefined()
  })
})
