// `npm run demo`: the server, a web app, an API and a machine, all on this machine, registered by the command line.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOrdersApi } from './orders-api.ts'
import { runReport } from './report-machine.ts'
import { startWebApp } from './web-app.ts'

const root = join(import.meta.dirname, '..')
const port = Number(process.env.PORT ?? 3000)
const dataDir = process.env.GATEHOUSE_DATA_DIR ?? join(root, '.data/demo')
const env = { ...process.env, PORT: String(port), GATEHOUSE_DATA_DIR: dataDir, LOG_LEVEL: 'warn' }
const issuer = `http://localhost:${port}`
const audience = 'https://orders.example.com'
const account = { email: 'demo@example.com', password: 'a demo passphrase, not a secret' }

interface Registered {
  web: { client_id: string; client_secret: string }
  machine: { client_id: string; client_secret: string }
}

function gatehouse(args: string[], input = ''): Promise<Record<string, never>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'bin/gatehouse.js'), ...args, '--json'], { env })
    let output = ''
    let problem = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      problem += text
    })
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`gatehouse ${args.join(' ')}: ${problem}`)),
    )
    child.stdin.end(input)
  })
}

async function register(): Promise<Registered> {
  const file = join(dataDir, 'demo.json')
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Registered
  } catch {
    // The first time.
  }
  await gatehouse([
    'apis',
    'create',
    '--audience',
    audience,
    '--name',
    'Orders',
    '--scope',
    'orders:read=See your orders',
  ])
  const granted = ['--audience', audience, '--scope', 'orders:read']
  const web = [
    '--type',
    'web',
    '--name',
    'Demo application',
    '--first-party',
    '--redirect-uri',
    `http://localhost:${port + 1}/callback`,
  ]
  const registered = {
    web: await gatehouse([
      'clients',
      'create',
      ...web,
      '--post-logout-redirect-uri',
      `http://localhost:${port + 1}/`,
      ...granted,
    ]),
    machine: await gatehouse(['clients', 'create', '--type', 'machine', '--name', 'Demo machine', ...granted]),
  } as unknown as Registered
  await gatehouse(
    ['accounts', 'create', '--email', account.email, '--name', 'Demo', '--verified', '--password-stdin'],
    account.password,
  )
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(file, JSON.stringify(registered), { mode: 0o600 })
  return registered
}

async function isReady(): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const answer = await fetch(`${issuer}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error('The server did not become ready within 30 seconds.')
}

const server = spawn(process.execPath, [join(root, 'bin/gatehouse.js'), 'serve'], {
  env,
  stdio: ['ignore', 'ignore', 'inherit'],
})
server.on('exit', (code) => process.exit(code ?? 1))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill(signal))

await isReady()
const { web, machine } = await register()
const apiUrl = `http://localhost:${port + 2}/orders`
startOrdersApi({ issuer, audience, port: port + 2 })
await startWebApp({ issuer, clientId: web.client_id, clientSecret: web.client_secret, port: port + 1, apiUrl })
const report = await runReport({ issuer, clientId: machine.client_id, clientSecret: machine.client_secret, apiUrl })

console.log(`
  The demo is running

  Web application   http://localhost:${port + 1}
  Account           ${account.email}
  Password          ${account.password}
  Gatehouse         ${issuer}
  Mailbox           ${issuer}/dev/mailbox (what Gatehouse would send, such as the code for a new account)
  Orders API        ${apiUrl}

  The machine client called the API and got ${report.status}:
  ${JSON.stringify(report.body)}

  Ctrl-C stops it all.
`)
