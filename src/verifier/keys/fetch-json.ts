// Fetches one JSON document from the issuer within limits: 5 seconds, 1 MB, no redirect, status 200 only.

/** The part of `fetch` that the verifier needs; the global one fits, and so does undici's with a proxy agent. */
export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; redirect: 'manual'; signal: AbortSignal },
) => Promise<FetchedAnswer>

/** The part of a `Response` that the verifier reads. */
export interface FetchedAnswer {
  status: number
  body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null
}

const TIMEOUT_MS = 5_000
const MAX_BYTES = 1_048_576

/** Rejects with a sentence about `what`; addresses stand in `cause` only, for the sentence may reach a stranger. */
export async function fetchJson(what: string, url: string, fetch: Fetch): Promise<unknown> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await fetch(url, { headers: { accept: 'application/json' }, redirect: 'manual', signal })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Refused(`status ${response.status}${response.status < 400 ? ' (redirects are not followed)' : ''}`)
    }
    return parsed(await limitedText(response))
  } catch (error) {
    const cause = new Error(`GET ${url}`, { cause: error })
    throw new Error(`${what} could not be fetched: ${reasonOf(error, signal)}`, { cause })
  }
}

class Refused extends Error {}

async function limitedText(response: FetchedAnswer): Promise<string> {
  const decoder = new TextDecoder()
  let bytes = 0
  let text = ''
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Refused(`larger than ${MAX_BYTES} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused('not JSON')
  }
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof Refused) return error.message
  if (signal.aborted) return `no answer within ${TIMEOUT_MS / 1000} seconds`
  const { cause } = error as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? cause.code : 'network error'
}
