// Registers the server's own client for the pages at /account: it signs a person in, and is never given a token.
import { isUniqueViolation } from '../database/faults.ts'
import type { Client, ClientMetadata, ClientStore } from './client-store.ts'

export const accountClientId = 'gatehouse-account'

/** Where the engine sends the browser back to. */
export const accountReturnUri = (issuer: string): string => `${issuer}/account/return`

/** OAuth 2.0 Multiple Response Types section 4: `none` answers no code and no token. */
const metadataFor = (issuer: string): ClientMetadata => ({
  application_type: 'web',
  redirect_uris: [accountReturnUri(issuer)],
  response_types: ['none'],
  grant_types: [],
  token_endpoint_auth_method: 'none',
})

export type AccountClientStore = Pick<ClientStore, 'find' | 'insert' | 'update'>

/** Inserts it, or moves it to a changed issuer. True when something has changed. */
export async function ensureAccountClient(clients: AccountClientStore, issuer: string): Promise<boolean> {
  const metadata = metadataFor(issuer)
  const existing = await clients.find(accountClientId)
  if (existing && hasMetadata(existing, metadata)) return false
  if (existing) return (await clients.update(accountClientId, { metadata }, existing.version)) !== undefined
  const client = { clientId: accountClientId, kind: 'web' as const, name: 'Your account', metadata }
  // Another process that starts now may be faster.
  return clients.insert({ ...client, isFirstParty: true, isBuiltIn: true }).then(
    () => true,
    (error: unknown) => {
      if (!isUniqueViolation(error)) throw error
      return false
    },
  )
}

function hasMetadata({ metadata }: Client, wanted: ClientMetadata): boolean {
  return Object.entries(wanted).every(([name, value]) => JSON.stringify(metadata[name]) === JSON.stringify(value))
}
