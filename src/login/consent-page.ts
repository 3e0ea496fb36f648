// What the consent page says, and what agreeing to it grants.
import type { InteractionResults } from 'oidc-provider'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Api } from '../apis/api-store.ts'
import type { Client } from '../clients/client-store.ts'
import { badRequest } from '../http/errors.ts'
import type { Engine } from '../oidc/engine.ts'
import { openidScopes, scopesOfClaims } from '../oidc/policy/claims.ts'
import { addMissing } from '../oidc/policy/grant-policy.ts'
import type { Consent, ConsentStore } from '../oidc/storage/consent-store.ts'
import { type Interaction, publisherHost } from './interaction.ts'

export interface ConsentPageParts {
  engine: Engine
  accounts: Pick<AccountStore, 'find'>
  consents: ConsentStore
  findApi(audience: string): Promise<Api | undefined>
}

export type ConsentPage = ReturnType<typeof createConsentPage>

export function createConsentPage({ engine, accounts, consents, findApi }: ConsentPageParts) {
  const describeApis = async (resources: Consent['resources']) => {
    const apis = await Promise.all(
      Object.entries(resources).map(async ([audience, scopes]) => ({ api: await findApi(audience), scopes })),
    )
    return apis.flatMap(({ api, scopes }) =>
      api
        ? [
            {
              name: api.name,
              audience: api.audience,
              scopes: scopes.map((scope) => ({ name: scope, description: descriptionOf(api, scope) })),
            },
          ]
        : [],
    )
  }

  return {
    describe: async (interaction: Interaction): Promise<Record<string, unknown>> => {
      const { uid, client, params, accountId } = interaction
      const { scopes: asked, claims, resources } = requestedConsent(interaction)
      // Single claims are shown as the scope that would have told them: never less than what is granted.
      const scopes = [...new Set([...asked, ...scopesOfClaims(claims)])]
      const account = accountId === undefined ? undefined : await accounts.find(accountId)
      return {
        action: `/interaction/${uid}/consent`,
        abortAction: `/interaction/${uid}/abort`,
        switchAction: `/interaction/${uid}/switch-account`,
        clientName: client.name,
        clientHost: publisherHost(client, params.redirect_uri),
        clientUri: client.metadata.client_uri,
        policyUri: client.metadata.policy_uri,
        tosUri: client.metadata.tos_uri,
        accountEmail: account?.email,
        // The last one: access that goes on is the heaviest.
        scopes: scopes
          .toSorted((left, right) => Number(left === 'offline_access') - Number(right === 'offline_access'))
          .map((scope) => ({ name: scope, key: `consent.scope.${scope}` })),
        apis: await describeApis(resources),
      }
    },

    /** Runs in the transaction that finishes the interaction. */
    grant: async (interaction: Interaction): Promise<InteractionResults> => {
      const { accountId, grantId, client } = interaction
      if (accountId === undefined) throw badRequest('wrong_step', 'Sign in first.')
      const { Grant } = engine.provider()
      const wanted = requestedConsent(interaction)
      const existing = grantId === undefined ? undefined : await Grant.find(grantId)
      const isOwn = existing?.accountId === accountId && existing.clientId === client.clientId
      const grant = isOwn ? existing : new Grant({ accountId, clientId: client.clientId })
      addMissing(grant, wanted)
      await consents.add(accountId, client.clientId, wanted)
      return { consent: { grantId: await grant.save() } }
    },
  }
}

const descriptionOf = (api: Api, scope: string) =>
  api.scopes.find((entry) => entry.scope === scope)?.description || scope

/** All that the stored request asks for and this client may have. */
function requestedConsent({
  params,
  client,
  engine,
}: {
  params: Interaction['params']
  client: Client
  engine: Pick<Interaction['engine'], 'prompt'>
}): Consent {
  const names = typeof params.scope === 'string' ? params.scope.split(' ').filter(Boolean) : []
  const audiences = [params.resource].flat().filter((audience): audience is string => typeof audience === 'string')
  const missingClaims = engine.prompt.details.missingOIDCClaims
  return {
    scopes: names.filter((name) => openidScopes.has(name)),
    claims: Array.isArray(missingClaims) ? missingClaims.map(String) : [],
    resources: Object.fromEntries(
      audiences.map((audience) => [audience, names.filter((name) => client.apis[audience]?.includes(name))]),
    ),
  }
}
