// Derives a refresh token's successor from it, so that a repeated rotation yields the same one and no tab is left behind.
import { createHmac } from 'node:crypto'
import type { Sealing } from '../../sealing.ts'

export const successorOf = (sealing: Sealing, refreshToken: string): string =>
  createHmac('sha256', sealing.derive('refresh token succession')).update(refreshToken).digest('base64url')
