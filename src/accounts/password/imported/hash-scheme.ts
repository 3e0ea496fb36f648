// What every scheme of password hashing must be able to say of a hash, and how their texts become bytes.
import { timingSafeEqual } from 'node:crypto'

export interface HashScheme {
  name: string
  /** By its beginning, however wrong the rest. */
  recognises(hash: string): boolean
  /** Undefined when it can be verified within a second or so: no import may stop the server. */
  problem(hash: string): 'malformed' | 'too_costly' | undefined
  /** Only for a hash without a problem. */
  verify(hash: string, password: string): Promise<boolean>
  /** False where the hash does not speak for the whole password. */
  covers?(password: string): boolean
}

/** In a regular expression: base64 of any alphabet, with or without padding. */
export const base64 = '[A-Za-z0-9+/._-]+={0,2}'

/** Standard, URL-safe, or passlib's, which has a dot for the plus sign. */
export const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64')

export const areEqual = (one: Buffer, other: Buffer): boolean =>
  one.length === other.length && timingSafeEqual(one, other)
