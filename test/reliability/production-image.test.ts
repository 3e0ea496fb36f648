// The image without a Docker engine: what is built, with production dependencies only, started by the Dockerfile's own command.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'
import { freePort } from '../support/test-server.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
let image: string
let database: FreshDatabase
let server: ChildProcess | undefined

/** What the last stage copies from the build, and its command. */
const copied = [...dockerfile.matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map(([, name = '']) => name)
const command: string[] = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]')
const healthcheck: string[] = JSON.parse(/^HEALTHCHECK .*CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]')

beforeAll(async () => {
  database = await freshDatabase()
  image = mkdtempSync(join(tmpdir(), 'gatehouse image '))
  await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    root,
    '--outDir',
    join(image, 'dist'),
  ])
  const { stdout } = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root })
  const packages = stdout.split('\n').filter((path) => path.includes('node_modules'))
  for (const path of packages) cpSync(path, join(image, relative(root, path)), { recursive: true })
  for (const name of copied.filter((part) => !['node_modules', 'dist'].includes(part.replace('./', '')))) {
    cpSync(join(root, name), join(image, name), { recursive: true })
  }
}, 120_000)

afterAll(async () => {
  if (server?.exitCode === null) server.kill('SIGKILL')
  await database?.drop()
  rmSync(image, { recursive: true, force: true })
})

async function environment(): Promise<Record<string, string>> {
  const port = String(await freePort())
  return {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'production',
    PORT: port,
    HOST: '127.0.0.1',
    DATABASE_URL: database.url,
    GATEHOUSE_ISSUER: `http://localhost:${port}`,
    GATEHOUSE_INSECURE_HTTP: 'true',
    GATEHOUSE_SEALING_KEY: Buffer.alloc(32, 5).toString('base64url'),
    GATEHOUSE_COOKIE_KEYS: 'a-cookie-key-of-more-than-32-characters',
    GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
    GATEHOUSE_WORKERS: '2',
  }
}

const start = (words: string[], env: Record<string, string>) => {
  const [, ...parts] = words
  return spawn(process.execPath, parts, { cwd: image, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

const statusOf = (url: string) =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  )

async function eventually(status: number, url: string): Promise<void> {
  for (let waited = 0; (await statusOf(url)) !== status; waited += 1) {
    if (waited > 200) throw new Error(`${url} does not answer ${status}`)
    await new Promise((done) => setTimeout(done, 100))
  }
}

describe('the image', () => {
  it('refuses an empty environment with every problem, and exit code 1', async () => {
    const child = start(command, { PATH: process.env.PATH ?? '', NODE_ENV: 'production' })
    let said = ''
    child.stderr?.on('data', (text) => {
      said += text
    })
    const [code] = await once(child, 'exit')
    expect(code).toBe(1)
    const names = ['ISSUER', 'SEALING_KEY', 'COOKIE_KEYS', 'SMTP_URL'].map((name) => `GATEHOUSE_${name}`)
    for (const name of ['DATABASE_URL', ...names]) expect(said).toContain(name)
  })

  it('waits for `migrate up`, serves with two workers, is healthy, and stops on SIGTERM', async () => {
    await database.database.query('DROP SCHEMA public CASCADE')
    await database.database.query('CREATE SCHEMA public')
    const env = await environment()
    const issuer = env.GATEHOUSE_ISSUER as string
    server = start(command, env)
    let said = ''
    server.stdout?.on('data', (text) => {
      said += text
    })
    await eventually(503, `${issuer}/readyz`)
    expect(await statusOf(`${issuer}/healthz`)).toBe(200)
    let told = ''
    for (let waited = 0; waited < 100 && !told.includes('migrate up'); waited += 1) {
      told = await (await fetch(`${issuer}/readyz`)).text()
      await new Promise((done) => setTimeout(done, 100))
    }
    expect(told).toContain('migrate up')

    const [code] = await once(start(['node', 'bin/gatehouse.js', 'migrate', 'up'], env), 'exit')
    expect(code).toBe(0)
    await eventually(200, `${issuer}/readyz`)
    const [health] = await once(start(healthcheck, env), 'exit')
    expect(health).toBe(0)
    expect(await statusOf(`${issuer}/jwks`)).toBe(200)
    expect(said).toContain('First administrator')
    expect(said).not.toContain('Development client')

    server.kill('SIGTERM')
    const [exit] = await once(server, 'exit')
    expect(exit).toBe(0)
  }, 90_000)
})
