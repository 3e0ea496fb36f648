// Whoever reads the whole database, or the log, holds nothing that could be presented to the server.
import pg from 'pg'
import { loadConfig } from '../../../src/config.ts'
import { firstAdministrator } from '../../../src/server/app.ts'
import {
  type Application,
  authorizeUrl,
  obtainCode,
  pkce,
  redeem,
  refresh,
  tokenRequest,
} from '../../support/code-flow.ts'
import { startTestServer, type TestServer, testPassword } from '../../support/test-server.ts'
import { createUserAgent, type UserAgent } from '../../support/user-agent.ts'

const redirectUri = 'https://app.example.com/callback'
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

let gatehouse: TestServer
/** Everything that somebody could present, by what it is. */
const bearers = new Map<string, string>()

const keep = (name: string, value: string | null | undefined) => {
  if (!value || value.length < 6) throw new Error(`The flow gave no ${name}.`)
  bearers.set(name, value)
}

const keepCookies = (name: string, agent: UserAgent) => {
  for (const [key, { value }] of agent.cookies) {
    // The signature's key is in no database; the value is what a row could hold.
    if (!key.includes('.sig')) keep(`${name}: cookie ${key.split(' ')[0]}`, value)
  }
}

const form = async (path: string, fields: Record<string, string>, app?: { clientId: string; clientSecret: string }) => {
  const headers: Record<string, string> = app
    ? { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` }
    : {}
  const response = await fetch(new URL(path, gatehouse.issuer), {
    method: 'POST',
    headers,
    body: new URLSearchParams(fields),
  })
  return (await response.json()) as Record<string, string>
}

/** In every way in which a value could stand in a column or a log line. */
const disguises = (value: string): string[] => {
  const bytes = Buffer.from(value)
  const decoded = Buffer.from(value, 'base64url')
  return [
    value,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(value),
    ...(decoded.length >= 16 ? [decoded.toString('hex')] : []),
  ]
}

const found = (text: string): string[] => {
  const lower = text.toLowerCase()
  return [...bearers].flatMap(([name, value]) =>
    disguises(value).some((disguise) => text.includes(disguise) || lower.includes(disguise.toLowerCase()))
      ? [name]
      : [],
  )
}

async function everyColumn(url: string): Promise<{ place: string; text: string }[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows: columns } = await client.query<{ table: string; column: string }>(
      `SELECT format('%I', table_name) AS "table", format('%I', column_name) AS "column" FROM information_schema.columns
       WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
    )
    const read = async ({ table, column }: { table: string; column: string }) => {
      const { rows } = await client.query<{ text: string | null }>(
        `SELECT string_agg(${column}::text, E'\\n') AS text FROM ${table}`,
      )
      return { place: `${table}.${column}`, text: rows[0]?.text ?? '' }
    }
    const texts: { place: string; text: string }[] = []
    for (const column of columns) texts.push(await read(column))
    return texts
  } finally {
    await client.end()
  }
}

async function runEveryFlow(): Promise<void> {
  const person = await gatehouse.makeAccount()
  keep('password', person.password)
  const opaqueApi = await gatehouse.makeApi({ tokenFormat: 'opaque' })
  const jwtApi = await gatehouse.makeApi()
  const app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
  keep('client secret', app.clientSecret)
  const agent = await signInAndRefresh(app, person)
  await consentHalfWay(person)
  await machines(opaqueApi, jwtApi)
  await pushAndPair(app, agent)
  await register()
  await setUp()
  await mailed(person)
  const rotated = await gatehouse.server.node.registrations.clients.rotateSecret(app.clientId)
  keep('rotated client secret', rotated.ok ? rotated.clientSecret : undefined)
}

async function mailed(person: { sub: string; email: string }): Promise<void> {
  const { node, stores } = gatehouse.server
  await node.accountMail.newDevice({ ...person, locale: undefined }, { address: '203.0.113.5' })
  const [newest] = await stores.mailQueue.listKept(1)
  keep('link in a message', /\/not-me\/([\w-]{43})/.exec(newest?.text ?? '')?.[1])
  const page = await createUserAgent().visit(new URL(`/dev/mailbox/${newest?.id}`, gatehouse.issuer))
  expect(page.text).toContain(bearers.get('link in a message'))
  await createUserAgent().visit(new URL(`/not-me/${bearers.get('link in a message')}`, gatehouse.issuer))
}

async function signInAndRefresh(app: Application, person: { email: string; password: string }): Promise<UserAgent> {
  const first = await obtainCode(gatehouse, app, person, { scope: 'openid email offline_access' })
  const tokens = await redeem(gatehouse.issuer, app, first)
  keep('redeemed code', first.code)
  keep('first refresh token', tokens.refresh_token)
  keep('first access token', tokens.access_token)
  keep('ID token', tokens.id_token)
  const next = await refresh(gatehouse.issuer, app, String(tokens.refresh_token))
  keep('second refresh token', next.refresh_token)
  keep('second access token', next.access_token)
  const waiting = await obtainCode(gatehouse, app, person, { agent: first.agent } as never)
  keep('code that waits', waiting.code)
  keepCookies('signed in', first.agent)
  return first.agent
}

async function consentHalfWay(person: { email: string; password: string }): Promise<void> {
  const app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri] })) }
  const { challenge } = pkce()
  const url = authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
  const stranger = createUserAgent()
  await stranger.visit(url)
  keepCookies('half-way', stranger)
  const agent = createUserAgent()
  const consent = await agent.submit(await agent.visit(url), '/sign-in', person)
  expect(consent.text).toContain('asks for access')
  keepCookies('before consent', agent)
}

async function machines(opaqueApi: string, jwtApi: string): Promise<void> {
  const apis = { [opaqueApi]: ['things:read'], [jwtApi]: ['things:read'] }
  const machine = await gatehouse.makeClient({ kind: 'machine', apis })
  keep('machine secret', machine.clientSecret)
  for (const resource of [opaqueApi, jwtApi]) {
    const fields = { grant_type: 'client_credentials', resource }
    keep(`token for ${resource}`, (await tokenRequest(gatehouse.issuer, machine, fields)).access_token)
  }
}

async function pushAndPair(app: Application, agent: UserAgent): Promise<void> {
  const { challenge } = pkce()
  const params = authorizeUrl(gatehouse.issuer, app, { code_challenge: challenge, code_challenge_method: 'S256' })
  const pushed = await form('/par', Object.fromEntries(params.searchParams), app)
  keep('request_uri', pushed.request_uri?.split(':').at(-1))
  const clientId = 'client_television'
  await gatehouse.server.stores.clients.insert({
    clientId,
    kind: 'native',
    name: 'Television',
    isFirstParty: true,
    metadata: {
      application_type: 'native',
      grant_types: [deviceGrant, 'refresh_token'],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: 'none',
    },
  })
  for (const isApproved of [false, true]) {
    const asked = await form('/device_authorization', { client_id: clientId, scope: 'openid offline_access' })
    keep(`device code, approved: ${isApproved}`, asked.device_code)
    keep(`user code, approved: ${isApproved}`, asked.user_code)
    keep(`user code without hyphens, approved: ${isApproved}`, asked.user_code?.replaceAll('-', ''))
    if (!isApproved) continue
    const input = await agent.visit(new URL('/device', gatehouse.issuer))
    const confirm = await agent.submit(input, '/device', { user_code: String(asked.user_code) })
    const done = await agent.submit(confirm, '/device', { confirm: 'yes' })
    if (done.text.includes('/consent"')) await agent.submit(done, '/consent', { decision: 'allow' })
    const fields = { grant_type: deviceGrant, client_id: clientId, device_code: String(asked.device_code) }
    const tokens = await form('/token', fields)
    keep('access token of a device', tokens.access_token)
  }
}

async function register(): Promise<void> {
  const { registrationTokens, sealing } = gatehouse.server.stores
  const initial = 'an-initial-access-token-of-this-test'
  keep('initial access token', initial)
  await registrationTokens.insert(sealing.digest(initial), 5, 3600)
  const response = await fetch(new URL('/register', gatehouse.issuer), {
    method: 'POST',
    headers: { authorization: `Bearer ${initial}`, 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], client_name: 'Registered' }),
  })
  const registered = (await response.json()) as Record<string, string>
  keep('registration access token', registered.registration_access_token)
  keep('secret of a registered client', registered.client_secret)
  await fetch(String(registered.registration_client_uri), {
    headers: { authorization: `Bearer ${registered.registration_access_token}` },
  })
}

async function setUp(): Promise<void> {
  const { stores, node } = gatehouse.server
  const config = { ...loadConfig({ root: '/tmp', env: { GATEHOUSE_SEALING_KEY: 'A'.repeat(43) } }) }
  const administrator = firstAdministrator({ config: { ...config, issuer: gatehouse.issuer } }, stores, node)
  const link = await administrator.link()
  keep('one-time link', link?.split('/').at(-1))
  const agent = createUserAgent()
  await agent.visit(String(link))
}

beforeAll(async () => {
  gatehouse = await startTestServer()
  await runEveryFlow()
}, 60_000)
afterAll(() => gatehouse?.stop())

describe('after every flow was run', () => {
  it('the test holds one of everything that can be presented', () => {
    expect(bearers.size).toBeGreaterThan(25)
    expect([...bearers.values()]).toContain(testPassword)
  })

  it('no column of any table holds any of it', async () => {
    const columns = await everyColumn(gatehouse.url)
    const hits = columns.flatMap(({ place, text }) => found(text).map((name) => `${place}: ${name}`))
    process.stdout.write(`${bearers.size} bearer values, ${columns.length} columns, ${hits.length} hits\n`)
    expect(hits).toEqual([])
  })

  it('no line of the log holds any of it', () => {
    expect(gatehouse.logged.length).toBeGreaterThan(20)
    // A half-finished sign-in is named by its page's address too; the next test shows what that name alone is worth.
    const isAddress = (name: string) => /cookie gatehouse-(interaction|resume)$/.test(name)
    const hits = gatehouse.logged.flatMap((line) =>
      found(line).flatMap((name) => (isAddress(name) ? [] : [`${name}: ${line}`])),
    )
    expect(hits).toEqual([])
  })

  it.each(['interaction', 'resume', 'session'])(
    'the value of the %s cookie is worth nothing without its signature',
    async (name) => {
      const uid = String(bearers.get('before consent: cookie gatehouse-interaction'))
      const held = name === 'session' ? 'signed in' : 'before consent'
      const value = String(bearers.get(`${held}: cookie gatehouse-${name}`))
      const app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
      const { challenge } = pkce()
      const silent = { prompt: 'none', code_challenge: challenge, code_challenge_method: 'S256' }
      const targets = {
        interaction: new URL(`/interaction/${uid}`, gatehouse.issuer),
        resume: new URL(`/authorize/${uid}`, gatehouse.issuer),
        session: authorizeUrl(gatehouse.issuer, app, silent),
      }
      for (const signature of ['', `; gatehouse-${name}.sig=${'A'.repeat(27)}`]) {
        const headers = { cookie: `gatehouse-${name}=${value}${signature}`, accept: 'text/html' }
        const url = targets[name as keyof typeof targets]
        const answer = await fetch(url, { headers, redirect: 'manual' })
        const location = answer.headers.get('location')
        if (name === 'session') expect(new URL(String(location)).searchParams.get('error')).toBe('login_required')
        else expect([answer.status, location]).toEqual([400, null])
      }
    },
  )

  it('no statement holds any of it', () => {
    expect(found(gatehouse.statements.join('\n'))).toEqual([])
  })

  it.each([
    ['as it is', (value: string) => value],
    ['in base64', (value: string) => Buffer.from(value).toString('base64')],
    ['in hexadecimal', (value: string) => Buffer.from(value).toString('hex')],
    ['inside JSON', (value: string) => JSON.stringify({ jti: value })],
  ])('a value that is stored %s would be seen', async (_, disguise) => {
    const { database } = gatehouse.server.stores
    const refreshToken = String(bearers.get('second refresh token'))
    await database.query("INSERT INTO deployment VALUES ('control', $1)", [disguise(refreshToken)])
    const columns = await everyColumn(gatehouse.url)
    await database.query("DELETE FROM deployment WHERE name = 'control'")
    const hits = columns.flatMap(({ place, text }) => found(text).map((name) => `${place}: ${name}`))
    expect(hits).toEqual(['deployment.value: second refresh token'])
  })

  it('a value that is stored as bytes would be seen', async () => {
    const { database } = gatehouse.server.stores
    const cookie = String(bearers.get('signed in: cookie gatehouse-session'))
    await database.query('INSERT INTO replays VALUES ($1, now())', [Buffer.from(cookie)])
    const columns = await everyColumn(gatehouse.url)
    const hits = columns.filter(({ text }) => found(text).length > 0).map(({ place }) => place)
    expect(hits).toEqual(['replays.key'])
    await database.query('DELETE FROM replays')
  })
})
