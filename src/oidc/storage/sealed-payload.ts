// Keeps what a database dump must not tell out of stored payloads: bearer values are dropped, the rest that could be used is sealed.
import type { AdapterPayload } from 'oidc-provider'
import type { Sealing } from '../../sealing.ts'

/** Fields that hold, or lead to, something a thief could present: cookie values, user codes, pushed requests, hints. */
const sealedFields: Record<string, readonly string[]> = {
  Interaction: ['params', 'prompt', 'session', 'result', 'lastSubmission', 'returnTo', 'deviceCode', 'parJti'],
  Session: ['state'],
  // Its own id too: it is saved again after having been found by user code.
  DeviceCode: ['jti', 'userCode', 'params', 'deviceInfo'],
  PushedAuthorizationRequest: ['request'],
}

export interface SealedPayloads {
  /** What is stored: the payload without its id, with the fields above sealed into one. */
  close(model: string, payload: AdapterPayload): Record<string, unknown>
  /** What the engine gets back. */
  open(model: string, stored: Record<string, unknown>, id: string | undefined): AdapterPayload
}

export function createSealedPayloads({ sealing }: { sealing: Sealing }): SealedPayloads {
  return {
    close: (model, payload) => {
      const fields = sealedFields[model] ?? []
      const entries = Object.entries(payload)
      const open = Object.fromEntries(entries.filter(([name]) => name !== 'jti' && !fields.includes(name)))
      if (fields.length === 0) return open
      const secret = Object.fromEntries(entries.filter(([name]) => fields.includes(name)))
      return { ...open, sealed: sealing.seal(JSON.stringify(secret), model) }
    },
    open: (model, { sealed, ...stored }, id) => ({
      ...stored,
      ...(typeof sealed === 'string' ? JSON.parse(sealing.open(sealed, model)) : undefined),
      ...(id === undefined ? undefined : { jti: id }),
    }),
  }
}
