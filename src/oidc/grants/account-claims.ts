// Puts what an API asks to be told about an account into its tokens, read anew for each: at a refresh and at an exchange too.
import type { AccountStore } from '../../accounts/account-store.ts'
import type { ApiCache } from '../../apis/api-cache.ts'
import { tellsNothing, tokenClaimsOf } from '../../apis/token-claims.ts'
import { isMachine } from './subject-tokens.ts'

export interface AccountClaimsParts {
  apis: Pick<ApiCache, 'find'>
  accounts: Pick<AccountStore, 'find'>
}

interface AskedToken {
  kind: string
  accountId?: string | undefined
  aud?: string | string[] | undefined
}

/** Undefined when the API asks for nothing: then nothing is read. */
export function createAccountClaims({ apis, accounts }: AccountClaimsParts) {
  return async ({ kind, accountId, aud }: AskedToken): Promise<Record<string, unknown> | undefined> => {
    if (kind !== 'AccessToken' || accountId === undefined || isMachine(accountId) || typeof aud !== 'string')
      return undefined
    const api = await apis.find(aud)
    if (!api || tellsNothing(api.tokenClaims)) return undefined
    const account = await accounts.find(accountId)
    return account && tokenClaimsOf(api.tokenClaims, account)
  }
}
