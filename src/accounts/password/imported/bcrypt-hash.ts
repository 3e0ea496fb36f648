// Bcrypt, as Auth0 and many others export it.
import { createRequire } from 'node:module'
import type { HashScheme } from './hash-scheme.ts'

// $2x$ marks hashes of a broken implementation; nobody can tell which passwords they fit.
const form = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/
/** 0.8 seconds of a core; each step doubles. */
const greatestCost = 14
const coveredBytes = 72

type Bcrypt = typeof import('@node-rs/bcrypt')
let bcrypt: Bcrypt | undefined
/** Loaded with the first such hash: most deployments have none. */
const loaded = () => {
  bcrypt ??= createRequire(import.meta.url)('@node-rs/bcrypt') as Bcrypt
  return bcrypt
}

export const bcryptHash: HashScheme = {
  name: 'bcrypt',
  recognises: (hash) => hash.startsWith('$2'),
  problem: (hash) => {
    const cost = Number(form.exec(hash)?.[1])
    if (!(cost >= 4 && cost <= 31)) return 'malformed'
    return cost > greatestCost ? 'too_costly' : undefined
  },
  // Implementations in C end a password at NUL, where anything after it would be as good.
  verify: async (hash, password) => !password.includes('\0') && loaded().verify(password, hash),
  // What comes after was never looked at: a new hash would make a mistyped end the password.
  covers: (password) => Buffer.byteLength(password) <= coveredBytes,
}
