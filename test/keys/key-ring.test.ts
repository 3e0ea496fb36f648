// The life of signing keys on a real database.
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import Provider, { type AdapterFactory, type JWKS } from 'oidc-provider'
import request from 'supertest'
import type { KeySet } from '../../src/keys/key-ring.ts'
import { signJwt } from '../../src/keys/sign-jwt.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { hesitantRing, keyParts, kidsOf, pause, sealingKey, secondNode } from '../support/test-keys.ts'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const minimal = { longestTokenTtl: 600 }
let fresh: FreshDatabase

beforeEach(async () => {
  fresh = await freshDatabase()
})
afterEach(() => fresh.drop())

const states = async (ring: ReturnType<typeof keyParts>['ring'], alg = 'ES256') =>
  (await ring.list()).filter((key) => key.alg === alg).map((key) => key.state)

describe('the first keys', () => {
  it('are one ES256 and one RS256 key, although two nodes start at once', async () => {
    const other = secondNode(fresh.url)
    const parts = keyParts(fresh.database)
    const { ring } = parts
    const rings = [hesitantRing(parts), hesitantRing(other), hesitantRing(parts), hesitantRing(other)]
    await Promise.all(rings.map((each) => each.ensureKeys()))
    const [mine, theirs] = await Promise.all([ring.load(), other.ring.load()])
    await other.end()
    expect(mine.public.keys.map((key) => key.alg)).toEqual(['ES256', 'RS256'])
    expect(theirs.fingerprint).toBe(mine.fingerprint)
    expect(mine.nextTransition).toBeUndefined()
  })

  it('stay at the next start', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const first = await ring.load()
    await ring.ensureKeys()
    expect((await ring.load()).fingerprint).toBe(first.fingerprint)
  })

  it('get company once an API asks for another algorithm, once only', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    await Promise.all([ring.ensureAlgorithm('EdDSA'), ring.ensureAlgorithm('EdDSA'), ring.ensureAlgorithm('PS256')])
    const keySet = await ring.load()
    expect(keySet.public.keys.map((key) => key.alg)).toEqual(['ES256', 'RS256', 'PS256', 'EdDSA'])
    for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA'] as const) {
      const token = await signJwt(keySet, alg, { typ: 'at+jwt' }, { sub: alg })
      const verified = await jwtVerify(token, createLocalJWKSet(keySet.public), { typ: 'at+jwt', algorithms: [alg] })
      expect(verified.payload.sub).toBe(alg)
    }
  })

  it('come with the transaction that asks for them, or not at all', async () => {
    const { ring } = keyParts(fresh.database)
    const failing = fresh.database.transaction(async () => {
      await ring.ensureAlgorithm('EdDSA')
      throw new Error('the API could not be made')
    })
    await expect(failing).rejects.toThrow('the API could not be made')
    expect(await ring.list()).toEqual([])
  })
})

describe('keys at rest', () => {
  it('hold no private member in any column of any table', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    await ring.ensureAlgorithm('EdDSA')
    const secrets = (await ring.load()).signing.flatMap((key) => privateMembers.map((name) => Reflect.get(key, name)))
    const values = secrets.filter((value) => typeof value === 'string')
    expect(values).toHaveLength(8)
    const tables = await fresh.database.query<{ name: string }>(
      `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    )
    for (const { name } of tables) {
      const content = JSON.stringify(await fresh.database.query(`SELECT * FROM ${name}`))
      expect(values.filter((value) => content.includes(value))).toEqual([])
    }
    const rows = await fresh.database.query<{ public_jwk: object }>('SELECT public_jwk FROM signing_keys')
    const members = rows.flatMap((row) => Object.keys(row.public_jwk))
    expect(members.filter((name) => privateMembers.includes(name))).toEqual([])
  })

  it('are published without private members', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const members = (await ring.load()).public.keys.flatMap((key) => Object.keys(key))
    expect(members.filter((name) => privateMembers.includes(name))).toEqual([])
    expect(members).toEqual(expect.arrayContaining(['kid', 'alg', 'use']))
  })

  it('cannot be opened with another sealing key, nor in the row of another key', async () => {
    const { ring, store } = keyParts(fresh.database)
    await ring.ensureKeys()
    const stranger = keyParts(fresh.database, [sealingKey(9)])
    await expect(stranger.ring.load()).rejects.toThrow('GATEHOUSE_SEALING_KEYS_OLD')
    const [one, two] = await store.list()
    await store.reseal(one?.kid ?? '', two?.sealedPrivateJwk ?? '')
    await expect(ring.load()).rejects.toThrow('was altered')
  })
})

describe('rotating a key', () => {
  it('publishes the new one behind the old one, which signs until the delay is over', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const before = await ring.load()
    const [old] = kidsOf(before, 'ES256')
    const result = await ring.rotate({ alg: 'ES256', delaySeconds: 1, overlapSeconds: 1, ...minimal })
    if (!result.ok) throw new Error('refused')
    const [rotation] = result.rotated
    const soon = await ring.load()
    expect(kidsOf(soon, 'ES256')).toEqual([old, rotation?.kid])
    expect(kidsOf(soon, 'RS256')).toEqual(kidsOf(before, 'RS256'))
    expect(soon.nextTransition).toBeLessThanOrEqual(1000)
    await pause(1050)
    const later = await ring.load()
    expect(kidsOf(later, 'ES256')).toEqual([rotation?.kid, old])
    expect(later.nextTransition).toBeLessThanOrEqual(1000)
    await pause(1050)
    const last = await ring.load()
    expect(kidsOf(last, 'ES256')).toEqual([rotation?.kid])
    expect(last.nextTransition).toBeUndefined()
    expect(new Set([before, soon, later, last].map((keySet) => keySet.fingerprint)).size).toBe(4)
    expect(await states(ring)).toEqual(['signing', 'retired'])
  })

  it('waits ten minutes, and keeps the old key for longer than the longest token', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const result = await ring.rotate({ longestTokenTtl: 7200 })
    if (!result.ok) throw new Error('refused')
    expect(result.rotated.map((rotation) => rotation.alg).sort()).toEqual(['ES256', 'RS256'])
    for (const { signsFrom, oldRetiresAt } of result.rotated) {
      expect(Math.abs(signsFrom.getTime() - Date.now() - 600_000)).toBeLessThan(10_000)
      expect((oldRetiresAt?.getTime() ?? 0) - signsFrom.getTime()).toBeGreaterThanOrEqual(7_200_000)
    }
  })

  it('is refused while a rotation is pending, and changes nothing then', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const first = await ring.rotate({ alg: 'ES256', ...minimal })
    const before = await ring.load()
    const second = await ring.rotate(minimal)
    expect(second).toMatchObject({ ok: false, reason: 'rotation_pending', alg: 'ES256' })
    expect(!second.ok && second.until).toEqual(first.ok && first.rotated[0]?.signsFrom)
    expect((await ring.load()).fingerprint).toBe(before.fingerprint)
  })

  it.each([0, 600])('happens once when two nodes rotate at the same time (delay %i s)', async (delaySeconds) => {
    const other = secondNode(fresh.url)
    const parts = keyParts(fresh.database)
    const { ring } = parts
    const rings = [hesitantRing(parts), hesitantRing(other), hesitantRing(parts), hesitantRing(other)]
    await ring.ensureKeys()
    // With its connections open each has read the keys before one is done.
    await Promise.all(rings.map((each) => each.load()))
    const options = { alg: 'RS256' as const, delaySeconds, ...minimal }
    const results = await Promise.all(rings.map((each) => each.rotate(options)))
    await other.end()
    expect(results.filter((result) => result.ok)).toHaveLength(1)
    expect(await states(ring, 'RS256')).toEqual(delaySeconds === 0 ? ['signing', 'retiring'] : ['signing', 'upcoming'])
  })

  it('makes a first key that signs at once where there was none', async () => {
    const { ring } = keyParts(fresh.database)
    const result = await ring.rotate({ alg: 'EdDSA', ...minimal })
    expect(result).toMatchObject({ ok: true, rotated: [{ alg: 'EdDSA', oldRetiresAt: undefined }] })
    expect(await states(ring, 'EdDSA')).toEqual(['signing'])
  })
})

describe('retiring a key at once', () => {
  const rotated = async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const [old = ''] = kidsOf(await ring.load(), 'ES256')
    const result = await ring.rotate({ alg: 'ES256', ...minimal })
    return { ring, old, upcoming: (result.ok && result.rotated[0]?.kid) || '' }
  }

  it('puts a new key in the place of the only one', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const [stolen = ''] = kidsOf(await ring.load(), 'ES256')
    const result = await ring.retire(stolen)
    const [only, ...others] = kidsOf(await ring.load(), 'ES256')
    expect(result).toEqual({ ok: true, successor: only })
    expect(only).not.toBe(stolen)
    expect(others).toEqual([])
  })

  it('lets the upcoming key sign at once when the signing one is retired', async () => {
    const { ring, old, upcoming } = await rotated()
    expect(await ring.retire(old)).toEqual({ ok: true, successor: upcoming })
    expect(kidsOf(await ring.load(), 'ES256')).toEqual([upcoming])
    expect(await states(ring)).toEqual(['signing', 'retired'])
  })

  it('calls the rotation off when the upcoming key is retired', async () => {
    const { ring, old, upcoming } = await rotated()
    expect(await ring.retire(upcoming)).toEqual({ ok: true, successor: undefined })
    const keySet = await ring.load()
    expect(kidsOf(keySet, 'ES256')).toEqual([old])
    expect(keySet.nextTransition).toBeUndefined()
  })

  it('does not let a key that is about to leave sign again', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const [old] = kidsOf(await ring.load(), 'ES256')
    const result = await ring.rotate({ alg: 'ES256', delaySeconds: 0, ...minimal })
    const retired = await ring.retire((result.ok && result.rotated[0]?.kid) || '')
    const successor = retired.ok ? retired.successor : ''
    expect(kidsOf(await ring.load(), 'ES256')).toEqual([successor, old])
    expect(successor).not.toBe(old)
  })

  it('leaves one key that signs when two nodes retire the same one', async () => {
    const other = secondNode(fresh.url)
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    const [stolen = ''] = kidsOf(await ring.load(), 'RS256')
    const results = await Promise.all([ring.retire(stolen), other.ring.retire(stolen)])
    await other.end()
    expect(results.map((result) => result.ok).sort()).toEqual([false, true])
    expect(kidsOf(await ring.load(), 'RS256')).toHaveLength(1)
  })

  it('says when there is no such key', async () => {
    const { ring } = keyParts(fresh.database)
    expect(await ring.retire('nobody')).toEqual({ ok: false, reason: 'not_found' })
  })

  it('removes rows a day after they have retired, not before', async () => {
    const { ring, store } = keyParts(fresh.database)
    await ring.ensureKeys()
    const [stolen = ''] = kidsOf(await ring.load(), 'ES256')
    await ring.retire(stolen)
    expect(await ring.removeRetired()).toBe(0)
    const aged = `UPDATE signing_keys SET retires_at = now() - interval '25 hours' WHERE kid = $1`
    await fresh.database.query(aged, [stolen])
    expect(await ring.removeRetired()).toBe(1)
    expect(await store.find(stolen)).toBeUndefined()
    expect(await states(ring)).toEqual(['signing'])
  })
})

describe('the engine with the key set', () => {
  const audience = 'https://api.example.com'
  const nothing = async () => undefined
  // Nothing is stored here: the tokens are JWTs.
  const adapter = () => Object.fromEntries(['upsert', 'find', 'consume', 'destroy'].map((name) => [name, nothing]))

  const issue = async (keySet: KeySet): Promise<string> => {
    const provider = new Provider('http://127.0.0.1', {
      adapter: adapter as unknown as AdapterFactory,
      jwks: { keys: keySet.signing as JWKS['keys'] },
      clients: [
        {
          client_id: 'machine',
          client_secret: 'secret',
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
      ],
      ttl: { ClientCredentials: 60 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            scope: '',
            audience,
            accessTokenTTL: 60,
            accessTokenFormat: 'jwt' as const,
            jwt: { sign: { alg: 'ES256' as const } },
          }),
        },
      },
    })
    const app = request(provider.callback())
    const published = await app.get('/jwks').expect(200)
    expect(published.body.keys.map((key: { kid: string }) => key.kid)).toEqual(keySet.public.keys.map((key) => key.kid))
    expect(privateMembers.filter((name) => published.text.includes(`"${name}"`))).toEqual([])
    const answer = await app
      .post('/token')
      .auth('machine', 'secret')
      .type('form')
      .send({ grant_type: 'client_credentials', resource: audience })
    expect(answer.body).toMatchObject({ token_type: 'Bearer' })
    return answer.body.access_token
  }

  it('signs with the first key of an algorithm: the old one, then the new one', async () => {
    const { ring } = keyParts(fresh.database)
    await ring.ensureKeys()
    await ring.ensureAlgorithm('EdDSA')
    await ring.ensureAlgorithm('PS256')
    await ring.rotate({ alg: 'ES256', delaySeconds: 1, ...minimal })
    const before = await ring.load()
    await pause(1050)
    const after = await ring.load()
    const [old, upcoming] = kidsOf(before, 'ES256')
    expect(decodeProtectedHeader(await issue(before)).kid).toBe(old)
    const token = await issue(after)
    expect(decodeProtectedHeader(token).kid).toBe(upcoming)
    expect((await jwtVerify(token, createLocalJWKSet(before.public))).payload.aud).toBe(audience)
  })
})
