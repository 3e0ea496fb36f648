// Fetches a small document from outside: https only, to no address of the own network, without redirects, within a time and a size.
import type { LookupAddress } from 'node:dns'
import { lookup as lookUpName } from 'node:dns'
import { request } from 'node:https'
import { isInnerAddress, outwardUriProblem } from '../policy/outward-uri.ts'
import { UnusableKeySet } from './trusted-jwts.ts'

const mostBytes = 256 * 1024

export interface OutwardFetchParts {
  /** Of the system; tests have their own. */
  lookUp?: typeof lookUpName
  ask?: typeof request
}

/** Milliseconds are the caller's affair, by its signal. */
export function createOutwardFetch({ lookUp = lookUpName, ask = request }: OutwardFetchParts = {}) {
  // The address that was looked at is the one that is called: no second answer of the name server comes in between.
  const lookup = (name: string, options: object, done: (...result: unknown[]) => void): void => {
    lookUp(name, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return done(error)
      const inner = addresses.find(({ address }) => isInnerAddress(address))
      if (inner || addresses.length === 0) return done(new UnusableKeySet('its name leads into a private network'))
      const [first] = addresses
      return 'all' in options && options.all ? done(null, addresses) : done(null, first?.address, first?.family)
    })
  }

  return (url: string, { signal }: { signal: AbortSignal }): Promise<Response> =>
    new Promise((resolve, reject) => {
      const problem = outwardUriProblem(url)
      if (problem) return reject(new UnusableKeySet(`the address ${problem}`))
      const fail = (error: unknown) =>
        reject(error instanceof UnusableKeySet ? error : new UnusableKeySet(nameOf(error)))
      const options = { lookup: lookup as never, signal, agent: false, headers: { accept: 'application/json' } }
      const asked = ask(url, options, (answer) => {
        const chunks: Buffer[] = []
        let size = 0
        answer.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > mostBytes) answer.destroy(new UnusableKeySet(`more than ${mostBytes} bytes`))
          else chunks.push(chunk)
        })
        answer.on('error', fail)
        answer.on('end', () => {
          if (answer.statusCode !== 200) return fail(new UnusableKeySet(`status ${answer.statusCode}`))
          resolve(new Response(Buffer.concat(chunks), { headers: { 'content-type': 'application/json' } }))
        })
      })
      asked.on('error', fail)
      asked.end()
    })
}

function nameOf(error: unknown): string {
  const { name, code } = error as { name?: string; code?: string }
  return name === 'AbortError' || name === 'TimeoutError' ? 'no answer in time' : (code ?? 'network error')
}
