// Answers the sidecar's own probes: it lives, and it can check tokens.
import type { Verifier } from '../verifier/verifier.ts'

interface Parts {
  verifier: Verifier
  isDraining(): boolean
}

/** The status and body for a probe; undefined: the request is the service's. */
export function createSidecarHealth({ verifier, isDraining }: Parts) {
  return async (target: string): Promise<{ status: number; body: Record<string, unknown> } | undefined> => {
    if (target === '/-/healthz') return { status: 200, body: { status: 'ok' } }
    if (target !== '/-/readyz') return undefined
    if (isDraining()) return { status: 503, body: { status: 'draining' } }
    try {
      await verifier.prepare()
      return { status: 200, body: { status: 'ready' } }
    } catch {
      return { status: 503, body: { status: 'not_ready', checks: { keys: { ok: false } } } }
    }
  }
}
