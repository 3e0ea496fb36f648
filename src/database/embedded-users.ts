// Knows which living processes use one embedded PostgreSQL, so that the last of them stops it, and only the last.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { give } from './embedded-folder.ts'
import { type Account, isAlive, startOf } from './embedded-process.ts'

export interface EmbeddedUser {
  /** Ends this use; runs `stop` when no other process is left. */
  leave(stop: () => Promise<void>): Promise<void>
}

const stopping = '.stopping'

// One file for each user, its name the process: made and removed in one step, so nothing is ever half written.
function living(folder: string): string[] {
  return readNames(folder).filter((name) => {
    const [pid = '', start] = name.split('.')
    if (isAlive(Number(pid)) && startOf(Number(pid)) === start) return true
    rmSync(join(folder, name), { force: true })
    return false
  })
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Registers this process. One that is just stopping the server is waited for, or it would stop it under our feet. */
export async function joinUsers(folder: string, owner: Account | undefined): Promise<EmbeddedUser> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  give(folder, owner)
  const name = `${process.pid}.${startOf(process.pid)}.${randomBytes(6).toString('hex')}`
  const file = join(folder, name)
  writeFileSync(file, '', { flag: 'wx', mode: 0o600 })
  while (living(folder).some((other) => other.endsWith(stopping))) await sleep(20)
  return {
    leave: async (stop) => {
      try {
        renameSync(file, `${file}${stopping}`)
      } catch {
        // Somebody removed the data folder while it was in use: the server still has to stop.
      }
      try {
        if (living(folder).every((other) => other.endsWith(stopping))) await stop()
      } finally {
        rmSync(`${file}${stopping}`, { force: true })
      }
    },
  }
}
