// Passwords that came from another system with their hashes: they work at once, and are ours from the first sign-in on.
import { needsRehash } from '../../src/accounts/password/password-hash.ts'
import { type Application, obtainCode } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'

const redirectUri = 'https://app.example.com/cb'
let gatehouse: TestServer
let app: Application

beforeAll(async () => {
  gatehouse = await startTestServer()
  app = { redirectUri, ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true })) }
})
beforeEach(() => gatehouse.server.stores.database.query('DELETE FROM sign_in_throttle'))
afterAll(() => gatehouse.stop())

const signerKey = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=='
const firebaseKey = 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='

const hashes: [string, string, string][] = [
  ['Auth0, bcrypt', 'rasmuslerdorf', '$2y$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi'],
  [
    'Keycloak, PBKDF2',
    'password',
    '$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M',
  ],
  ['Firebase, scrypt', 'user1password', `$firebase-scrypt$ln=14,r=8$42xEC+ixf3L2lw==$Bw==$${signerKey}$${firebaseKey}`],
  ['argon2i', 'password', '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA'],
]

describe('signing in with a password that came from another system', () => {
  it.each(hashes)('%s: works at once, and is hashed anew by it', async (name, password, passwordHash) => {
    const email = `${name.replace(/\W+/g, '-')}@example.com`
    const made = await gatehouse.server.node.registrations.accounts.create({ email, passwordHash })
    expect(made).toMatchObject({ ok: true })
    const hash = async () => (await gatehouse.server.stores.accounts.findByEmail(email))?.passwordHash ?? ''
    const imported = await hash()
    await expect(obtainCode(gatehouse, app, { email, password: `${password}?` })).rejects.toThrow('No code')
    expect(await hash()).toBe(imported)
    expect((await obtainCode(gatehouse, app, { email, password })).code).toBeTruthy()
    const own = await hash()
    expect([own.startsWith('$argon2id$'), needsRehash(own)]).toEqual([true, false])
    expect((await obtainCode(gatehouse, app, { email, password })).code).toBeTruthy()
    expect(await hash()).toBe(own)
    await expect(obtainCode(gatehouse, app, { email, password: `${password}?` })).rejects.toThrow('No code')
  })
})
