// Runs the programs of PostgreSQL with an environment of their own, and tells whether a process is still the one we mean.
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parse } from 'node:path'
import { isNativeError } from 'node:util/types'

/** A failure with a way out; its message is all that a person needs, a stack adds nothing. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError'
}

export interface Account {
  uid: number
  gid: number
}

const path = '/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin'

/** Nothing of the caller's environment reaches PostgreSQL; messages are English, because some are read by us. */
export function childOptions(file: string, account: Account | undefined) {
  return { ...account, cwd: parse(file).root || '/', env: { PATH: path, LC_ALL: 'C', TZ: 'UTC' } }
}

export function run(file: string, args: string[], account?: Account): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const failed = (error: Error) => resolve({ ok: false, output: error.message })
    try {
      execFile(file, args, { ...childOptions(file, account), timeout: 120_000 }, (error, stdout, stderr) => {
        const output = `${stdout}${stderr}`.trim()
        if (error && output === '') failed(error)
        else resolve({ ok: error === null, output })
      })
    } catch (error) {
      // Node throws at once where the account may not be assumed (EPERM, EINVAL).
      failed(asError(error))
    }
  })
}

export const asError = (thrown: unknown): NodeJS.ErrnoException =>
  isNativeError(thrown) ? thrown : new Error(String(thrown))

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return asError(error).code === 'EPERM'
  }
}

/** Whether `pid` is a PostgreSQL on `cluster`, and not a zombie or another program that was given the same number. */
export function isPostmaster(pid: number, cluster: string): boolean {
  if (!(pid > 0) || !isAlive(pid)) return false
  if (process.platform === 'win32') return true
  try {
    // /proc/<pid>/cwd would tell too, but root without CAP_SYS_PTRACE (a container) may not read it.
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster)
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).includes('postgres')
  } catch (error) {
    // Without `ps` it counts as PostgreSQL, which looks for itself before it starts a second time.
    return process.platform !== 'linux' && asError(error).code === 'ENOENT'
  }
}

/** Distinguishes a process from a later one with the same pid, where the system tells when it began. */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
  } catch {
    return '0'
  }
}
