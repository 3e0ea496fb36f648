// Finds an issuer's JWKS through its discovery document (OpenID Connect Discovery 1.0 section 4) and fetches it.
import type { JSONWebKeySet } from 'jose'
import { shown } from '../access-token.ts'
import { type Fetch, fetchJson } from './fetch-json.ts'

interface Parts {
  issuer: string
  /** Skips discovery. */
  jwksUri: string | undefined
  fetch: Fetch
}

export function createIssuerKeys({ issuer, jwksUri, fetch }: Parts) {
  async function discover(): Promise<string> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const document = await fetchJson("the issuer's discovery document", url, fetch)
    const { issuer: named, jwks_uri: uri } = isObject(document) ? document : {}
    // Section 4.3: exactly equal, or one issuer could vouch for another's tokens.
    if (named !== issuer) {
      throw new Error(`the discovery document's issuer is ${shown(named)}, this service expects ${shown(issuer)}`)
    }
    if (typeof uri !== 'string' || !isSafe(uri)) throw new Error(`the discovery document's jwks_uri is ${shown(uri)}`)
    return uri
  }

  function isSafe(uri: string): boolean {
    const { protocol } = URL.canParse(uri) ? new URL(uri) : {}
    return protocol === 'https:' || (protocol === 'http:' && issuer.startsWith('http:'))
  }

  return {
    /** Looks the JWKS up anew and fetches it; rejects with the reason. */
    async load(): Promise<JSONWebKeySet> {
      const jwks = await fetchJson("the issuer's JWKS", jwksUri ?? (await discover()), fetch)
      if (!isKeySet(jwks)) throw new Error("the issuer's JWKS has no list of keys")
      return jwks
    },
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const isKeySet = (value: unknown): value is JSONWebKeySet =>
  isObject(value) && Array.isArray(value.keys) && value.keys.every(isObject)
