// Composes the admin API.
import type { Middleware } from 'koa'
import { createAccountSupport } from '../accounts/account-support.ts'
import { adminApi } from '../admin/admin-api.ts'
import { adminAudience } from '../apis/admin-api-registration.ts'
import type { Node } from './node.ts'
import type { ServerParts } from './server.ts'
import type { Stores } from './stores.ts'

export function administration({ config }: ServerParts, stores: Stores, node: Node): Middleware {
  const { issuer } = config
  const { apis, clients, accounts, exchangePolicies, trustedIssuers } = node.registrations
  const { transaction } = stores.database
  const factorStore = node.factors.store
  return adminApi({
    ...stores,
    issuer,
    adminAudience: adminAudience(issuer),
    publicKeys: node.publicKeys,
    apiRegistration: apis,
    clientRegistration: clients,
    accountRegistration: accounts,
    accountSupport: createAccountSupport({
      ...stores,
      issuer,
      transaction,
      registration: accounts,
      factorStore,
      locks: stores.accountLocks,
      accountMail: node.accountMail,
      endEverything: node.revocation.endEverything,
    }),
    factorStore,
    exchangePolicyRegistration: exchangePolicies,
    trustedIssuerRegistration: trustedIssuers,
    english: node.translations.english,
    revocation: node.revocation,
    transaction,
    ensureAlgorithm: node.ensureAlgorithm,
    forgetClient: stores.clientCache.forget,
    forgetExchangeRules: stores.exchangeRules.clear,
    // Clients lose what an API loses.
    forgetApis: () => {
      stores.apiCache.clear()
      stores.clientCache.clear()
    },
  })
}
