// The grant type of token exchange (RFC 8693 section 2.1), and who may be given it.
import type { Client, ClientKind, ClientMetadata } from '../client-store.ts'

export const exchangeGrantType = 'urn:ietf:params:oauth:grant-type:token-exchange'

export const mayExchangeTokens = ({ metadata }: Pick<Client, 'metadata'>): boolean =>
  metadata.grant_types?.includes(exchangeGrantType) ?? false

/** Only who can keep a secret may ask in somebody's name. */
export const canExchangeTokens = (kind: ClientKind): boolean => kind === 'machine' || kind === 'web'

/** The grant types with this one or without it. */
export function withExchange({ grant_types: types = [] }: ClientMetadata, isAllowed: boolean): string[] {
  const others = types.filter((type) => type !== exchangeGrantType)
  return isAllowed ? [...others, exchangeGrantType] : others
}
