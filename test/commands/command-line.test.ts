import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { createGatehouse, type Gatehouse, launcher } from './gatehouse.ts'

let gatehouse: Gatehouse
beforeAll(async () => {
  gatehouse = await createGatehouse()
})
afterAll(() => gatehouse.close())

const oneLine = /^[^\n]+\n$/

describe('using the command line wrongly', () => {
  it.each([
    ['an unknown command', 'bogus'],
    ['an unknown subcommand', 'clients bogus'],
    ['an unknown option', 'clients list --bogus'],
    ['a missing option', 'clients create --name x'],
    ['a missing argument', 'clients show'],
    ['an argument too many', 'secret generate twice'],
    ['a value that is none of the choices', 'clients create --type toaster --name x'],
    ['a number that is none', 'apis create --audience urn:a --name a --token-ttl soon'],
  ])('exits with 2 and one line on %s', async (_, args) => {
    const { code, stdout, stderr } = await gatehouse.run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(oneLine)
  })

  it('tells it in one line of JSON with --json', async () => {
    const { code, stderr } = await gatehouse.run('clients create --json --name x')
    expect(code).toBe(2)
    expect(JSON.parse(stderr)).toEqual({ error: 'usage', message: expect.stringContaining('--type') })
  })

  it('shows the subcommands when one is missing', async () => {
    const { code, stderr } = await gatehouse.run('keys')
    expect(code).toBe(2)
    expect(stderr).toMatch(/list[\s\S]*rotate[\s\S]*retire/)
  })
})

describe('asking for help', () => {
  it('exits with 0 and names every command', async () => {
    const { code, stdout } = await gatehouse.run('--help')
    expect(code).toBe(0)
    const commands =
      'serve migrate doctor config clients apis accounts keys registration-token token healthcheck secret'
    for (const name of commands.split(' ')) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
  })

  it('knows the version of the package', async () => {
    const { code, stdout } = await gatehouse.run('--version')
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })
})

describe('gatehouse secret generate', () => {
  it('makes 32 random bytes', async () => {
    const { stdout } = await gatehouse.run('secret generate')
    expect(Buffer.from(stdout.trim(), 'base64url')).toHaveLength(32)
    expect(await gatehouse.json('secret generate')).toEqual({ secret: expect.stringMatching(/^[\w-]{43}$/) })
  })
})

describe('gatehouse config', () => {
  it('finds the environment valid', async () => {
    expect(await gatehouse.json('config validate')).toEqual({ valid: true })
  })

  it('lists all problems of a production start at once', async () => {
    const env = { NODE_ENV: 'production', DATABASE_URL: undefined, GATEHOUSE_SEALING_KEY: undefined }
    const { code, stderr } = await gatehouse.run('config validate', { env })
    expect(code).toBe(1)
    for (const name of ['DATABASE_URL', 'GATEHOUSE_SEALING_KEY', 'GATEHOUSE_COOKIE_KEYS', 'GATEHOUSE_ISSUER'])
      expect(stderr).toContain(name)
  })

  it('shows what is in effect, without secrets', async () => {
    const env = { DATABASE_URL: 'postgres://me:hush-hush@db.example/g', GATEHOUSE_COOKIE_KEYS: 'k'.repeat(40) }
    const { stdout } = await gatehouse.run('config print --json', { env })
    expect(JSON.parse(stdout)).toMatchObject({
      NODE_ENV: 'development',
      PORT: 3000,
      GATEHOUSE_ISSUER: gatehouse.issuer,
      DATABASE_URL: 'postgres://me:********@db.example/g',
    })
    for (const secret of ['hush-hush', 'kkkk', Buffer.alloc(32, 7).toString('base64url')])
      expect(stdout).not.toContain(secret)
  })
})

describe('gatehouse healthcheck', () => {
  const answering = async (status: number) => {
    const server = createHttpServer((request, response) => {
      response.writeHead(request.url === '/readyz' ? status : 404).end('{"database":false}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, env: { PORT: String((server.address() as AddressInfo).port) } }
  }

  it('exits with 0 when the server is ready', async () => {
    const { server, env } = await answering(200)
    expect(await gatehouse.json('healthcheck', { env })).toMatchObject({ ready: true })
    server.close()
  })

  it('exits with 1 when it is not', async () => {
    const { server, env } = await answering(503)
    expect(await gatehouse.refusal('healthcheck', { env })).toMatchObject({ error: 'not_ready' })
    server.close()
  })

  it('exits with 1 after three seconds without an answer', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const started = Date.now()
    const env = { PORT: String((server.address() as AddressInfo).port) }
    expect(await gatehouse.refusal('healthcheck', { env })).toMatchObject({ error: 'not_reachable' })
    expect(Date.now() - started).toBeLessThan(6000)
    server.close()
  })

  it('exits with 1 when nobody listens', async () => {
    expect(await gatehouse.refusal('healthcheck', { env: { PORT: '1' } })).toMatchObject({ error: 'not_reachable' })
  })
})

describe('a database that does not answer', () => {
  it('is told in one line, without the password', async () => {
    const env = { DATABASE_URL: 'postgres://me:hush-hush@127.0.0.1:1/nowhere' }
    const { code, stderr } = await gatehouse.run('clients list', { env })
    expect(code).toBe(1)
    expect(stderr).toMatch(oneLine)
    expect(stderr).toContain('ECONNREFUSED')
    expect(stderr).not.toContain('hush-hush')
  })
})

describe('a command in a process of its own', () => {
  it.each([
    ['migrate status', '', { pending: [] }],
    ['doctor', '', { ok: true }],
    ['config validate', '', { valid: true }],
    ['apis create --audience urn:a --name A --scope x', '', { audience: 'urn:a', scope: 'x' }],
    ['clients create --type machine --name M --audience urn:a', '', { client_secret: expect.any(String) }],
    ['accounts create --email a@example.com --password-stdin', 'seven quiet otters juggle\n', { has_password: true }],
    ['accounts import -', '{"email":"b@example.com"}\n', { imported: 1 }],
    ['token issue --admin', '', { token_type: 'Bearer' }],
    ['keys list', '', { keys: expect.arrayContaining([expect.objectContaining({ alg: 'ES256' })]) }],
    ['registration-token create', '', { initial_access_token: expect.any(String) }],
    ['secret generate', '', { secret: expect.any(String) }],
  ])('%s prints JSON and exits with 0', async (args, stdin, shape) => {
    const { code, stdout, stderr } = await gatehouse.spawn(`${args} --json`, { stdin })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject(shape)
  })

  it.each([
    'clients show client_nobody',
    'apis show urn:nothing',
    'accounts show nobody@example.com',
    'keys retire nothing',
    'token verify nothing',
    'healthcheck',
  ])('%s is refused in one line with exit code 1', async (args) => {
    const { code, stdout, stderr } = await gatehouse.spawn(args, { env: { PORT: '1' } })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(oneLine)
  })

  it('exits with 2 on wrong usage', async () => {
    const { code, stdout, stderr } = await gatehouse.spawn('clients list --bogus')
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(oneLine) })
  })

  it('is no failure when its reader has seen enough', async () => {
    const child = spawn(process.execPath, [launcher, '--help'])
    child.stdout.destroy()
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
  })
})
