// Tells where the request under way comes from: what a person is shown of each session.
import { Provider } from 'oidc-provider'
import { decodeUtf8 } from '../http/request/storable-text.ts'

export interface RequestOrigin {
  address: string
  userAgent: string
}

const longestUserAgent = 400

/** Undefined outside of the engine's endpoints. */
export function requestOrigin(): RequestOrigin | undefined {
  const { ctx } = Provider
  if (!ctx) return undefined
  // Node hands header bytes over as Latin-1. A cut may leave half a character, which PostgreSQL would refuse.
  const userAgent = decodeUtf8(Buffer.from(ctx.get('user-agent'), 'latin1')) ?? ''
  return { address: ctx.ip, userAgent: userAgent.slice(0, longestUserAgent).toWellFormed() }
}
