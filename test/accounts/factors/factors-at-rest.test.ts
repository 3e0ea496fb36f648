// What the database keeps of factors: nothing that could be presented, and all of it still good when a sealing key is replaced.
import { generate } from 'otplib'
import pg from 'pg'
import type { Database } from '../../../src/database/database.ts'
import { type FactorWorld, factorWorld } from './factor-world.ts'

let world: FactorWorld

beforeEach(async () => {
  world = await factorWorld()
})
afterEach(() => world.drop())

const codeNow = (secret: string) => generate({ secret, epoch: Math.floor(world.clock.now / 1000) })

async function withEverything() {
  const account = await world.makeAccount()
  const { secret, enrolment } = await world.totp.begin(account)
  await world.totp.confirm(account.sub, enrolment, await codeNow(secret))
  world.clock.now += 60_000
  const codes = await world.recoveryCodes.regenerate(account.sub)
  const mailed = { purpose: 'second-factor', scope: 'here' } as const
  const { sub, securityVersion } = account
  const emailCode = await world.emailCodes.create({ ...mailed, sub, securityVersion, seconds: 600 })
  return { sub, secret, codes, mailed, emailCode }
}

async function everyRow(): Promise<string> {
  const client = new pg.Client({ connectionString: world.url })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "SELECT format('%I', table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'",
    )
    const texts: string[] = []
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`SELECT row_to_json(t)::text AS text FROM ${name} t`)
      texts.push(...rows.map(({ text }) => text))
    }
    return texts.join('\n')
  } finally {
    await client.end()
  }
}

const disguises = (value: string) =>
  (['utf8', 'base64', 'base64url', 'hex'] as const).map((encoding) =>
    Buffer.from(value).toString(encoding).replace(/=+$/, '').toLowerCase(),
  )

describe('the database', () => {
  it('holds nothing that could be presented', async () => {
    const { secret, codes, emailCode, sub } = await withEverything()
    const rows = (await everyRow()).toLowerCase()
    expect(rows).toContain(sub)
    const secrets = [secret, ...codes, ...codes.map((code) => code.replaceAll('-', ''))]
    for (const value of secrets) for (const disguise of disguises(value)) expect(rows).not.toContain(disguise)
    // Six digits may stand anywhere by chance, so only where they were put.
    const [link] = await world.database.query<{ details: object }>('SELECT details FROM one_time_links')
    expect(link?.details).toEqual({ code: expect.stringMatching(/^[\w-]{43}$/), tries: 0 })
    expect(JSON.stringify(link)).not.toContain(`"${emailCode}"`)
  })

  it('would be seen to hold them', async () => {
    const { secret } = await withEverything()
    await world.database.query("INSERT INTO deployment VALUES ('control', $1)", [`x${secret}x`])
    expect((await everyRow()).toLowerCase()).toContain(secret.toLowerCase())
  })
})

describe('a sealing key that is replaced', () => {
  const newer = Buffer.alloc(32, 7)

  it('leaves every factor good, under both keys and then under the new one alone', async () => {
    const { sub, secret, codes, mailed, emailCode } = await withEverything()
    const [both, alone] = [world.otherNode([newer, world.key]), world.otherNode([newer])]
    await expect(alone.totp.check(sub, await codeNow(secret))).rejects.toThrow(/cannot be opened/)
    expect(await both.totp.check(sub, await codeNow(secret))).toBe(true)
    expect(await both.recoveryCodes.use(sub, String(codes[0]))).toBe(true)
    expect(await both.emailCodes.use({ ...mailed, code: emailCode })).toEqual({ sub })

    expect(await both.resealing.run()).toEqual({ resealed: 11 })
    expect(await both.resealing.run()).toEqual({ resealed: 0 })
    world.clock.now += 30_000
    expect(await alone.totp.check(sub, await codeNow(secret))).toBe(true)
    expect(await alone.recoveryCodes.use(sub, String(codes[0]))).toBe(false)
    expect(await alone.recoveryCodes.use(sub, String(codes[1]))).toBe(true)
  })

  it('costs no statement while there is one key', async () => {
    const silent = { query: () => Promise.reject(new Error('asked')) } as unknown as Database
    expect(await world.otherNode([world.key], () => silent).resealing.run()).toEqual({ resealed: 0 })
  })

  it('is done for all, however many, though one cannot be opened', async () => {
    const both = world.otherNode([newer, world.key])
    const people = await Promise.all(Array.from({ length: 60 }, () => world.makeAccount()))
    const codes = await Promise.all(people.map(({ sub }) => world.recoveryCodes.regenerate(sub)))
    await world.database.query("UPDATE recovery_codes SET sealed_digest = 'AAAA' WHERE sub = $1", [people[0]?.sub])
    await expect(both.resealing.run()).rejects.toThrow('10 sealed factors cannot be opened')
    const left = 'SELECT DISTINCT sub FROM recovery_codes WHERE sealing_key = $1'
    expect(await world.database.query(left, [world.sealing.fingerprints[0]])).toEqual([{ sub: people[0]?.sub }])
    const alone = world.otherNode([newer])
    expect(await alone.recoveryCodes.use(String(people[59]?.sub), String(codes[59]?.[0]))).toBe(true)
  })
})
