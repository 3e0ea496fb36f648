// Argon2id and argon2i as PHC strings: our own hashes, and those of other systems.
import { verify } from '../password-hash.ts'
import type { HashScheme } from './hash-scheme.ts'

const form = /^\$argon2(?:id|i)\$(?:v=(?:19|16)\$)?m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,3})\$[\w+/]{11,128}\$[\w+/]{16,512}$/
const mostMemory = 262_144
/** KiB times passes: 0.9 seconds of a core. */
const mostWork = 1_048_576
const mostLanes = 16

export const argon2Hash: HashScheme = {
  name: 'argon2',
  recognises: (hash) => hash.startsWith('$argon2'),
  problem: (hash) => {
    const [memory, passes, lanes] = (form.exec(hash) ?? []).slice(1).map(Number)
    if (!memory || !passes || !lanes || memory < 8 * lanes) return 'malformed'
    return memory > mostMemory || memory * passes > mostWork || lanes > mostLanes ? 'too_costly' : undefined
  },
  verify,
}
