// Makes client secrets (256 bits) and checks them against what is stored: SHA-256, since a random secret needs no slow hash.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ClientSecret } from './client-store.ts'

export const generateClientSecret = (): string => randomBytes(32).toString('base64url')

export const digestClientSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest()

export function isLiveSecret(secrets: readonly ClientSecret[], presented: string, now: Date): boolean {
  const digest = digestClientSecret(presented)
  const live = secrets.filter(({ expiresAt }) => !expiresAt || expiresAt > now)
  return live.some((secret) => timingSafeEqual(secret.digest, digest))
}
