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
  // Node hands header bytes over as Latin-1.
  const userAgent = decodeUtf8(Buffer.from(ctx.get('user-agent'), 'latin1')) ?? ''
  // Character by character: a cut through one would leave half a surrogate pair.
  return { address: ctx.ip, userAgent: Array.from(userAgent).slice(0, longestUserAgent).join('') }
}
