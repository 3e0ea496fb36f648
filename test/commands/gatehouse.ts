// Runs the real command line, in a process of its own or in this one, against a database of its own.
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { runCommandLine } from '../../src/commands/command-line.ts'
import { createSealing, type Sealing } from '../../src/sealing.ts'
import { type FreshDatabase, freshDatabase } from '../support/fresh-database.ts'

export const launcher = resolve(import.meta.dirname, '../../bin/gatehouse.js')

export interface Result {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  stdin?: string
  env?: Record<string, string | undefined>
}

export function execute(command: string, args: string[], { stdin, env = {} }: RunOptions = {}): Promise<Result> {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(GATEHOUSE_|DATABASE_URL|NODE_|PORT$|HOST$)/.test(name),
  )
  const child = spawn(command, args, { env: { ...Object.fromEntries(clean), ...env } })
  const result: Result = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    result.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    result.stderr += chunk
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => done({ ...result, code }))
  })
}

export interface Gatehouse {
  fresh: FreshDatabase
  sealing: Sealing
  issuer: string
  dataDir: string
  /** In a process of its own, from the launcher on. The arguments are split at spaces, unless they come as a list. */
  spawn(args: string | string[], options?: RunOptions): Promise<Result>
  /** The same in this process, which is ten times as fast. */
  run(args: string | string[], options?: RunOptions): Promise<Result>
  /** With --json; fails unless the exit code is 0. */
  json<Shape = Record<string, unknown>>(args: string | string[], options?: RunOptions): Promise<Shape>
  /** With --json; fails unless the exit code is 1 and stderr is one line of JSON. */
  refusal(args: string | string[], options?: RunOptions): Promise<{ error: string; message: string }>
  close(): Promise<void>
}

// Nobody answers there: what a command asks of the server, it must do without.
const issuer = 'http://localhost:1'
const sealingKey = Buffer.alloc(32, 7)

export async function createGatehouse(): Promise<Gatehouse> {
  const fresh = await freshDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-commands-'))
  // Root's embedded PostgreSQL runs as nobody, who must get in.
  await chmod(dataDir, 0o755)
  const base = {
    DATABASE_URL: fresh.url,
    GATEHOUSE_ISSUER: issuer,
    GATEHOUSE_DATA_DIR: dataDir,
    GATEHOUSE_SEALING_KEY: sealingKey.toString('base64url'),
  }
  const split = (args: string | string[]) => (typeof args === 'string' ? args.split(' ').filter(Boolean) : args)
  const spawned: Gatehouse['spawn'] = (args, options = {}) =>
    execute(process.execPath, [launcher, ...split(args)], { ...options, env: { ...base, ...options.env } })
  const run: Gatehouse['run'] = async (args, { stdin = '', env = {} } = {}) => {
    const result = { stdout: '', stderr: '' }
    const into = (name: keyof typeof result) => ({
      write: (text: string) => {
        result[name] += text
      },
    })
    const surroundings = { stdin: Readable.from([stdin]), stdout: into('stdout'), stderr: into('stderr') }
    const code = await runCommandLine(split(args), { ...surroundings, env: { ...base, ...env } })
    return { ...result, code }
  }
  const asJson = (args: string | string[]) => [...split(args), '--json']

  return {
    fresh,
    sealing: createSealing([sealingKey]),
    issuer,
    dataDir,
    spawn: spawned,
    run,
    json: async (args, options) => {
      const result = await run(asJson(args), options)
      if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}`)
      if (result.stderr !== '') throw new Error(`with --json stderr must stay empty: ${result.stderr}`)
      return JSON.parse(result.stdout)
    },
    refusal: async (args, options) => {
      const { code, stdout, stderr } = await run(asJson(args), options)
      if (code !== 1) throw new Error(`exit code ${code}: ${stdout}${stderr}`)
      if (stderr.trimEnd().includes('\n')) throw new Error(`more than one line: ${stderr}`)
      return JSON.parse(stderr)
    },
    close: async () => {
      await fresh.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
