import fc from 'fast-check'
import {
  cbor,
  certifiedAttestation,
  createSoftwareAuthenticator,
  type SoftwareAuthenticator,
  type SoftwareAuthenticatorOptions,
  selfAttestation,
  type Wrongs,
} from '../../support/software-authenticator.ts'
import { type FactorWorld, factorWorld, issuer, junk, tally } from './factor-world.ts'

let world: FactorWorld

beforeAll(async () => {
  world = await factorWorld()
})
afterAll(() => world.drop())

const authenticator = (options: Partial<SoftwareAuthenticatorOptions> = {}) =>
  createSoftwareAuthenticator({ origin: issuer, ...options })

async function register(sub: string, key: SoftwareAuthenticator, wrongs: Wrongs = {}, name = 'A key') {
  const { options, challenge } = await world.passkeys.registrationOptions({ sub, email: 'mara@example.com' })
  return world.passkeys.register(sub, { challenge, response: key.register(options, wrongs), name })
}

async function registered(options: Partial<SoftwareAuthenticatorOptions> = {}) {
  const { sub } = await world.makeAccount()
  const key = authenticator(options)
  const result = await register(sub, key)
  if (!result.ok) throw new Error(result.reason)
  return { sub, key, passkey: result.passkey }
}

async function authenticate(key: SoftwareAuthenticator, sub?: string, wrongs: Wrongs = {}) {
  const { challenge } = await world.passkeys.authenticationOptions(sub)
  return world.passkeys.authenticate({ challenge, response: key.authenticate({ challenge }, wrongs), sub })
}

describe('registering a passkey', () => {
  it('asks for one that can be found, from this host, without attestation', async () => {
    const { sub, key } = await registered()
    const { options, challenge } = await world.passkeys.registrationOptions({ sub, email: 'a@b.c', name: 'Mara' })
    expect(options).toMatchObject({
      rp: { id: 'id.example.com', name: 'Gatehouse' },
      user: { name: 'a@b.c', displayName: 'Mara' },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'preferred' },
      excludeCredentials: [{ id: key.id, type: 'public-key', transports: ['internal'] }],
      timeout: 300_000,
    })
    expect(options.pubKeyCredParams.map(({ alg }) => alg)).toEqual([-7, -8, -257])
    expect(Buffer.from(challenge, 'base64url').length).toBeGreaterThanOrEqual(32)
    expect(options.challenge).toBe(challenge)
    expect(JSON.stringify(options)).not.toContain(sub)
    const again = await world.passkeys.registrationOptions({ sub, email: 'a@b.c' })
    expect(again.options.user.id).toBe(options.user.id)
    expect(again.challenge).not.toBe(challenge)
  })

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('takes a key of %s, and signs in with it', async (algorithm) => {
    const { sub, key } = await registered({ algorithm })
    expect(await authenticate(key, sub)).toMatchObject({ ok: true, sub })
  })

  it('tells a key that is kept for several devices from one that is bound to a device', async () => {
    const [one, many] = [await registered(), await registered({ isMultiDevice: true })]
    expect(one.passkey).toMatchObject({ name: 'A key', isMultiDevice: false, lastUsedAt: undefined })
    expect(many.passkey).toMatchObject({ isMultiDevice: true })
    expect(await authenticate(many.key)).toMatchObject({ ok: true, isMultiDevice: true })
  })

  const wrongs: [string, Wrongs][] = [
    ['another challenge', { challenge: 'AAAA' }],
    ['another origin', { origin: 'https://evil.example.com' }],
    ['the origin over http', { origin: 'http://id.example.com' }],
    ['the origin with a port', { origin: 'https://id.example.com:8443' }],
    ['another RP id', { rpId: 'evil.example.com' }],
    ['the parent domain as RP id', { rpId: 'example.com' }],
    ['the type of an authentication', { type: 'webauthn.get' }],
    ['a frame of another site', { crossOrigin: true }],
    ['nobody present', { flags: 0x44 }],
    ['no key in it', { flags: 0x05 }],
    ['another id outside than inside', { id: 'AAAA', rpId: 'evil.example.com' }],
    ['an attestation that is unknown', { attestation: { format: 'mine', statement: new Map() } }],
    ['none, but a statement', { attestation: { format: 'none', statement: new Map([['x', 1]]) } }],
  ]
  it.each(wrongs)('refuses a response with %s', async (_, wrong) => {
    const { sub } = await world.makeAccount()
    expect(await register(sub, authenticator(), wrong)).toEqual({ ok: false, reason: 'refused' })
    expect(await world.passkeys.list(sub)).toEqual([])
  })

  it('takes a signature of the key itself, which some browsers leave in', async () => {
    const { sub } = await world.makeAccount()
    expect(await register(sub, authenticator(), { attestation: selfAttestation })).toMatchObject({ ok: true })
  })

  it('follows no certificate, though it were good: the library would ask the addresses in it', async () => {
    const { sub } = await world.makeAccount()
    const refused = { ok: false, reason: 'refused' }
    expect(await register(sub, authenticator(), { attestation: certifiedAttestation })).toEqual(refused)
  })

  it('takes a key once, whoever comes with it', async () => {
    const { sub, key } = await registered()
    expect(await register(sub, key)).toEqual({ ok: false, reason: 'registered_already' })
    const { sub: other } = await world.makeAccount()
    expect(await register(other, key)).toEqual({ ok: false, reason: 'registered_already' })
    expect(await world.passkeys.list(other)).toEqual([])
  })

  it('takes one answer to each challenge', async () => {
    const { sub } = await world.makeAccount()
    const { options, challenge } = await world.passkeys.registrationOptions({ sub, email: 'mara@example.com' })
    const answers = [authenticator(), authenticator()].map((key) => key.register(options))
    const results = await Promise.all(
      answers.map((response) => world.passkeys.register(sub, { challenge, response, name: 'x' })),
    )
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
  })

  it('stops at twenty, also when many come at once', async () => {
    const { sub } = await world.makeAccount()
    const results = await Promise.all(Array.from({ length: 24 }, () => register(sub, authenticator())))
    expect(results.filter(({ ok }) => ok)).toHaveLength(20)
    expect(results.filter((result) => !result.ok && result.reason === 'too_many')).toHaveLength(4)
    expect(await world.store.summary(sub)).toMatchObject({ passkeys: 20 })
  })

  it('is refused where there is no account', async () => {
    expect(await register('nobody', authenticator())).toEqual({ ok: false, reason: 'refused' })
  })
})

describe('the names of passkeys', () => {
  it.each([
    ['  My \t phone ', 'My phone'],
    ['x'.repeat(70), 'x'.repeat(60)],
    ['🔑'.repeat(70), '🔑'.repeat(60)],
    ['a\u0000b\u202egro.knab', 'a bgro.knab'],
    ['می\u200cخواهم', 'می\u200cخواهم'],
    ['', expect.stringMatching(/^\d{4}-\d\d-\d\d$/)],
    ['\u200b\u200d \u0000', expect.stringMatching(/^\d{4}-\d\d-\d\d$/)],
  ])('%j becomes %j', async (given, kept) => {
    const { sub } = await world.makeAccount()
    expect(await register(sub, authenticator(), {}, given)).toMatchObject({ ok: true, passkey: { name: kept } })
  })

  it('change, and only their owner changes or removes them', async () => {
    const [one, other] = [await registered(), await registered()]
    const { id } = one.passkey
    expect(await world.passkeys.rename(other.sub, id, 'Mine')).toBe(false)
    expect(await world.passkeys.remove(other.sub, id)).toBe(false)
    expect(await world.passkeys.rename(one.sub, id, ' ')).toBe(false)
    for (const bad of ['', 'x', "' OR 1=1", '\u0001']) expect(await world.passkeys.remove(one.sub, bad)).toBe(false)
    expect(await world.passkeys.rename(one.sub, id, 'Renamed')).toBe(true)
    expect(await world.passkeys.list(one.sub)).toMatchObject([{ id, name: 'Renamed' }])
    expect(await world.passkeys.remove(one.sub, id)).toBe(true)
    expect(await world.passkeys.list(one.sub)).toEqual([])
    expect(await authenticate(one.key, one.sub)).toEqual({ ok: false })
  })
})

describe('authenticating with a passkey', () => {
  it('asks for those of the account, or of anybody and then with verification', async () => {
    const { sub, key } = await registered()
    const { options } = await world.passkeys.authenticationOptions(sub)
    expect(options).toMatchObject({ rpId: 'id.example.com', userVerification: 'preferred', timeout: 300_000 })
    expect(options.allowCredentials).toEqual([{ id: key.id, type: 'public-key', transports: ['internal'] }])
    const { options: open } = await world.passkeys.authenticationOptions()
    expect(open).toMatchObject({ userVerification: 'required' })
    expect(open.allowCredentials ?? []).toEqual([])
  })

  it('says who it is, whether the user was verified, and when it was last used', async () => {
    const { sub, key, passkey } = await registered()
    const verified = { ok: true, sub, passkeyId: passkey.id, isUserVerified: true, isMultiDevice: false }
    expect(await authenticate(key, sub)).toEqual(verified)
    expect(await authenticate(key)).toEqual(verified)
    key.state.isUserVerified = false
    expect(await authenticate(key)).toEqual({ ...verified, isUserVerified: false })
    expect(await world.passkeys.list(sub)).toMatchObject([{ lastUsedAt: expect.any(Date) }])
  })

  const wrongs: [string, Wrongs][] = [
    ['another challenge', { challenge: 'AAAA' }],
    ['another origin', { origin: 'https://evil.example.com' }],
    ['another RP id', { rpId: 'evil.example.com' }],
    ['the type of a registration', { type: 'webauthn.create' }],
    ['a frame of another site', { crossOrigin: true }],
    ['nobody present', { flags: 0x04 }],
    ['the id of no passkey', { id: 'AAAA' }],
    ['the handle of somebody else', { userHandle: Buffer.alloc(32).toString('base64url') }],
  ]
  it.each(wrongs)('is refused with %s', async (_, wrong) => {
    const { sub, key } = await registered()
    expect(await authenticate(key, sub, wrong)).toEqual({ ok: false })
    expect(await authenticate(key, undefined, wrong)).toEqual({ ok: false })
    expect(await world.passkeys.list(sub)).toMatchObject([{ lastUsedAt: undefined }])
    expect(await authenticate(key, sub)).toMatchObject({ ok: true })
  })

  it('needs no handle where the account is known, and one where it is not', async () => {
    const { sub, key } = await registered()
    expect(await authenticate(key, sub, { userHandle: undefined })).toMatchObject({ ok: true })
    expect(await authenticate(key, undefined, { userHandle: undefined })).toEqual({ ok: false })
    expect(await authenticate(key, undefined, { userHandle: '' })).toEqual({ ok: false })
  })

  it('is refused for another account than its own', async () => {
    const [one, other] = [await registered(), await registered()]
    expect(await authenticate(one.key, other.sub)).toEqual({ ok: false })
    const { id: ofOther } = other.key
    expect(await authenticate(one.key, other.sub, { id: ofOther, userHandle: other.key.state.userHandle })).toEqual({
      ok: false,
    })
  })

  it('is refused when a bit of the signature, or what was signed, is another', async () => {
    const { sub, key } = await registered()
    const { challenge } = await world.passkeys.authenticationOptions(sub)
    const good = JSON.parse(key.authenticate({ challenge }))
    for (const field of ['signature', 'authenticatorData', 'clientDataJSON']) {
      const bytes = Buffer.from(good.response[field], 'base64url')
      const last = bytes.length - 1
      bytes[last] = (bytes[last] ?? 0) ^ 1
      const response = { ...good, response: { ...good.response, [field]: bytes.toString('base64url') } }
      expect(await world.passkeys.authenticate({ challenge, response: JSON.stringify(response), sub })).toEqual({
        ok: false,
      })
    }
    expect(await world.passkeys.authenticate({ challenge, response: JSON.stringify(good), sub })).toMatchObject({
      ok: true,
    })
  })

  it('is refused when the same answer comes again, also without a counter', async () => {
    for (const signCount of [0, 5]) {
      const { sub, key } = await registered({ signCount })
      const { challenge } = await world.passkeys.authenticationOptions(sub)
      const response = key.authenticate({ challenge })
      expect(await world.passkeys.authenticate({ challenge, response, sub })).toMatchObject({ ok: true })
      expect(await world.passkeys.authenticate({ challenge, response, sub })).toEqual({ ok: false })
    }
  })
})

describe('the counter of an authenticator', () => {
  it('must rise', async () => {
    const { sub, key } = await registered({ signCount: 10 })
    expect(await authenticate(key, sub)).toMatchObject({ ok: true })
    key.state.signCount = 11 - 1
    expect(await authenticate(key, sub)).toEqual({ ok: false })
    key.state.signCount = 5
    expect(await authenticate(key, sub)).toEqual({ ok: false })
    key.state.signCount = 0
    expect(await authenticate(key, sub)).toEqual({ ok: false })
    key.state.signCount = 20
    expect(await authenticate(key, sub)).toMatchObject({ ok: true })
  })

  it('is held by the database too: the clone that is as far as the original gets in once with each count', async () => {
    const nodes = [world, world.otherNode()]
    const { sub, key } = await registered({ signCount: 1 })
    const trials = 60
    const result = await tally(trials, async () => {
      const count = key.state.signCount
      const tries = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          // A challenge for each: only the counter can tell.
          const { challenge } = await world.passkeys.authenticationOptions(sub)
          key.state.signCount = count
          return { node: nodes[index % 2], challenge, response: key.authenticate({ challenge }) }
        }),
      )
      const answers = await Promise.all(
        tries.map(({ node, challenge, response }) => node?.passkeys.authenticate({ challenge, response, sub })),
      )
      return answers.map((answer) => answer?.ok === true)
    })
    expect(result).toEqual({ 1: trials })
  })

  it('is no use where there is none, so that there the challenge alone lets one through', async () => {
    const nodes = [world, world.otherNode()]
    const { sub, key } = await registered()
    const trials = 60
    const result = await tally(trials, async () => {
      const { challenge } = await world.passkeys.authenticationOptions(sub)
      const response = key.authenticate({ challenge })
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => nodes[index % 2]?.passkeys.authenticate({ challenge, response, sub })),
      )
      return answers.map((answer) => answer?.ok === true)
    })
    expect(result).toEqual({ 1: trials })
  })
})

describe('what is no response', () => {
  const tryBoth = async (response: unknown) => {
    const { sub } = await shared
    const challenge = 'AAAA'
    const given = { challenge, response: response as string }
    expect(await world.passkeys.register(sub, { ...given, name: 'x' })).toEqual({ ok: false, reason: 'refused' })
    expect(await world.passkeys.authenticate({ ...given, sub })).toEqual({ ok: false })
    expect(await world.passkeys.authenticate(given)).toEqual({ ok: false })
  }
  let shared: ReturnType<typeof registered>
  beforeAll(() => {
    shared = registered()
  })

  it('is refused, and never an error', async () => {
    const shapes = ['null', '[]', '{}', '1', '"x"', '{"id":1}', '{"response":null}', '{"__proto__":{"id":"x"}}', '[[[[']
    const { key } = await shared
    const halves = [
      { id: key.id },
      { id: key.id, rawId: key.id, type: 'public-key' },
      { id: key.id, response: {} },
      { id: key.id, response: { userHandle: key.state.userHandle, clientDataJSON: 'e30' } },
      { id: key.id, response: { userHandle: { toString: 'x' }, clientDataJSON: 1, attestationObject: [] } },
    ].map((half) => JSON.stringify(half))
    const deep = `${'['.repeat(9000)}${']'.repeat(9000)}`
    for (const response of [...junk, ...shapes, ...halves, deep]) await tryBoth(response)
  })

  it('is refused whatever it is made of', async () => {
    const { key } = await shared
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('base64url'))
    const client = fc
      .record({
        type: fc.constantFrom('webauthn.create', 'webauthn.get'),
        challenge: fc.constant('AAAA'),
        origin: fc.constant(issuer),
      })
      .map((data) => Buffer.from(JSON.stringify(data)).toString('base64url'))
    const attestation = fc.uint8Array({ maxLength: 200 }).map((authData) =>
      cbor(
        new Map<string, string | Uint8Array | Map<string, string>>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', authData],
        ]),
      ).toString('base64url'),
    )
    const id = fc.constantFrom(key.id, 'AAAA', '')
    const response = fc.record(
      {
        id,
        rawId: id,
        type: fc.constantFrom('public-key', 'x'),
        response: fc.record(
          {
            clientDataJSON: fc.oneof(client, bytes, fc.jsonValue()),
            attestationObject: fc.oneof(attestation, bytes, fc.jsonValue()),
            authenticatorData: fc.oneof(bytes, fc.jsonValue()),
            signature: fc.oneof(bytes, fc.jsonValue()),
            userHandle: fc.oneof(fc.constant(key.state.userHandle), bytes, fc.jsonValue()),
            transports: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          response.map((each) => JSON.stringify(each)),
          fc.json(),
          fc.string(),
        ),
        tryBoth,
      ),
      { numRuns: 1000 },
    )
  }, 60_000)

  it('is no error when a good one is bent anywhere, and lets nobody in twice', async () => {
    const { sub, key } = await registered()
    const { options, challenge } = await world.passkeys.registrationOptions({ sub, email: 'x@example.com' })
    const bent = (text: string) =>
      fc
        .tuple(fc.nat(text.length - 1), fc.string({ maxLength: 3 }))
        .map(([at, put]) => text.slice(0, at) + put + text.slice(at + 1))
    let accepted = 0
    const both = fc.tuple(bent(authenticator().register(options)), bent(key.authenticate({ challenge })))
    await fc.assert(
      fc.asyncProperty(both, async ([registration, assertion]) => {
        await world.passkeys.register(sub, { challenge, response: registration, name: 'x' })
        const signedIn = await world.passkeys.authenticate({ challenge, response: assertion, sub })
        if (signedIn.ok) accepted += 1
      }),
      { numRuns: 500 },
    )
    // A bend where nothing is read, such as in the extensions' results, may leave it good.
    expect(accepted).toBeLessThanOrEqual(1)
    expect((await world.passkeys.list(sub)).length).toBeLessThanOrEqual(2)
  }, 60_000)
})
