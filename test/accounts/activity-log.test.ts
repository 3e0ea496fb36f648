import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { activitySentence, activityTypes, createActivityLog } from '../../src/accounts/activity-log.ts'
import { createTranslations } from '../../src/language/translations.ts'
import { createExpiryStore } from '../../src/oidc/storage/expiry-store.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

let fresh: FreshDatabase
let log: ReturnType<typeof createActivityLog>

beforeAll(async () => {
  fresh = await freshDatabase()
  log = createActivityLog(fresh)
})
beforeEach(async () => {
  await fresh.database.query('TRUNCATE accounts CASCADE')
  await fresh.database.query(
    "INSERT INTO accounts (sub, email) VALUES ('anna', 'anna@example.com'), ('bert', 'bert@example.com')",
  )
})
afterAll(() => fresh.drop())

const here = { address: '192.0.2.1', userAgent: 'Firefox' }
const happened = (type: (typeof activityTypes)[number], sub = 'anna') => log.append(sub, { type, ...here })

describe('the activity of an account', () => {
  it('is told as it happened, newest first', async () => {
    await happened('signed_up')
    await log.append('anna', { type: 'factor_added', ...here, details: { factor: 'totp' } })
    expect(await log.list('anna', { limit: 10 })).toEqual([
      { id: expect.any(String), at: expect.any(Date), type: 'factor_added', ...here, details: { factor: 'totp' } },
      { id: expect.any(String), at: expect.any(Date), type: 'signed_up', ...here, details: {} },
    ])
    expect(await log.list('bert', { limit: 10 })).toEqual([])
  })

  it('comes page by page: nothing twice, nothing left out, whatever is added meanwhile', async () => {
    const expected: string[] = []
    for (let number = 0; number < 25; number += 1) {
      await log.append('anna', { type: 'signed_in', ...here, details: { number } })
      await happened('signed_in', 'bert')
      expected.unshift(String(number))
    }
    const seen: string[] = []
    for (let before: string | undefined; ; ) {
      const entries = await log.list('anna', { ...(before ? { before } : undefined), limit: 7 })
      seen.push(...entries.map(({ details }) => String(details.number)))
      before = entries.at(-1)?.id
      if (entries.length < 7) break
      await log.append('anna', { type: 'signed_in', ...here, details: { number: 99 } })
    }
    expect(seen).toEqual(expected)
  })

  it.each(['', '-1', '1e3', 'x', "1' OR 1=1", '9'.repeat(19), '9'.repeat(200)])(
    'has no page after %j',
    async (before) => {
      await happened('signed_in')
      expect(await log.list('anna', { before, limit: 5 })).toEqual([])
    },
  )

  it('is not buried under the failures of strangers: twenty an hour are kept, and all else', async () => {
    for (let time = 0; time < 30; time += 1) await happened('sign_in_failed')
    await happened('sign_in_failed', 'bert')
    await happened('signed_in')
    expect(await log.list('anna', { limit: 100 })).toHaveLength(21)
    expect(await log.list('bert', { limit: 100 })).toHaveLength(1)
    await fresh.database.query("UPDATE account_activity SET at = at - interval '1 hour'")
    await happened('sign_in_failed')
    expect(await log.list('anna', { limit: 100 })).toHaveLength(22)
  })

  it('takes what the transaction takes, and nothing for nobody', async () => {
    const failing = fresh.database.transaction(async () => {
      await happened('password_changed')
      throw new Error('it did not happen')
    })
    await expect(failing).rejects.toThrow('it did not happen')
    await happened('signed_in', 'nobody')
    expect(await fresh.database.query('SELECT 1 FROM account_activity')).toEqual([])
  })

  it('keeps 512 characters of what a browser calls itself', async () => {
    await log.append('anna', { type: 'signed_in', address: '', userAgent: `x${'🦊'.repeat(5000)}` })
    const [entry] = await log.list('anna', { limit: 1 })
    expect([entry?.userAgent.length, entry?.userAgent.isWellFormed()]).toEqual([512, true])
  })

  it('leaves out what only a newer version can tell', async () => {
    await happened('signed_in')
    await fresh.database.query("INSERT INTO account_activity (sub, type) VALUES ('anna', 'teleported')")
    expect((await log.list('anna', { limit: 10 })).map(({ type }) => type)).toEqual(['signed_in'])
  })

  it('is gone after 180 days, and with the account', async () => {
    await happened('signed_in')
    await fresh.database.query("UPDATE account_activity SET at = at - interval '181 days'")
    await happened('signed_in')
    await createExpiryStore(fresh).removeExpired()
    expect(await log.list('anna', { limit: 10 })).toHaveLength(1)
    await fresh.database.query("DELETE FROM accounts WHERE sub = 'anna'")
    expect(await log.list('anna', { limit: 10 })).toEqual([])
  })

  it('has a text for every type, and no type for no text', () => {
    const locales = join(import.meta.dirname, '../../views/locales')
    const { english } = createTranslations({ directory: locales })
    for (const type of activityTypes) expect(english.say(activitySentence({ type }))).toMatch(/^[A-Z].*\.$/)
    const texts = JSON.parse(readFileSync(join(locales, 'en/activity.json'), 'utf8'))
    expect(Object.keys(texts).sort()).toEqual(activityTypes.map((type) => `activity.${type}`).sort())
  })
})
