// Decides when the engine must ask the person: the standard's reasons, and consent each time from applications that can be impersonated.
import type { Context } from 'koa'
import { type Client as EngineClient, errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import type { Client } from '../../clients/client-store.ts'
import type { Config } from '../../config.ts'
import { demandedAcr, levelOf } from './acr.ts'
import type { SecondFactorPolicy } from './second-factor-policy.ts'

export interface PromptPolicyParts {
  config: Pick<Config, 'session'>
  clientOf(client: EngineClient): Client
  owesSecondFactor: SecondFactorPolicy
}

export function createPromptPolicy({ config, clientOf, owesSecondFactor }: PromptPolicyParts) {
  const policy = interactionPolicy.base()
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check(
        'account_gone',
        'the account was disabled or deleted while its owner was signing in',
        'login_required',
        ({ oidc }: KoaContextWithOIDC) => oidc.session?.accountId !== undefined && oidc.account === undefined,
      ),
    )
  policy.get('login')?.checks.add(
    new interactionPolicy.Check(
      'session_over',
      // Each use keeps the row for one more second at the least, so its expiry alone would never come.
      'the session has reached its absolute end',
      'login_required',
      ({ oidc }: KoaContextWithOIDC) =>
        oidc.session?.accountId !== undefined && oidc.session.past(config.session.absolute),
    ),
  )
  stepUp(policy)
  policy.get('login')?.checks.add(
    new interactionPolicy.Check(
      'second_factor_owed',
      'the sign-in had fewer factors than this application demands',
      'login_required',
      async (ctx: KoaContextWithOIDC) => {
        const { session, client, result } = ctx.oidc
        // The sign-in that has just ended went by this client's rule.
        if (!session?.accountId || !client || result?.login) return interactionPolicy.Check.NO_NEED_TO_PROMPT
        const signedIn = { sub: session.accountId, acr: session.acr, amr: session.amr ?? [] }
        return owesSecondFactor(ctx as unknown as Context, clientOf(client), signedIn)
      },
    ),
  )
  const consent = policy.get('consent')
  // The engine asks of every native client; ours asks of none that belongs to the operator.
  consent?.checks.remove('native_client_prompt')
  consent?.checks.add(
    new interactionPolicy.Check(
      'impersonation_prompt',
      'an application that others can pose as needs consent each time (RFC 8252 section 8.6)',
      'interaction_required',
      (ctx: KoaContextWithOIDC) => {
        const { client, result, params } = ctx.oidc
        if (!client || result?.consent) return interactionPolicy.Check.NO_NEED_TO_PROMPT
        const canBeImpersonated = isImpersonable(clientOf(client), String(params?.redirect_uri ?? ''))
        return canBeImpersonated ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT
      },
    ),
  )
  return policy
}

/** The engine compares names, and asks again for ever; ours compares levels, and asks once. */
function stepUp(policy: ReturnType<typeof interactionPolicy.base>): void {
  const login = policy.get('login')
  for (const reason of ['essential_acr', 'essential_acrs']) login?.checks.remove(reason)
  login?.checks.add(
    new interactionPolicy.Check(
      'acr_unmet',
      'the sign-in does not reach the level that was requested',
      // Also with prompt=none: the server is not unable to meet the demand, it would have to show a page for it.
      'login_required',
      ({ oidc }: KoaContextWithOIDC) => {
        const { level, isEssential } = demandedAcr(oidc.params ?? {})
        if (levelOf(oidc.session?.acr) >= level) return interactionPolicy.Check.NO_NEED_TO_PROMPT
        const hasJustSignedIn = oidc.result?.login !== undefined
        if (isEssential && (hasJustSignedIn || !Number.isFinite(level))) throw unmet()
        return hasJustSignedIn ? interactionPolicy.Check.NO_NEED_TO_PROMPT : interactionPolicy.Check.REQUEST_PROMPT
      },
      ({ oidc }: KoaContextWithOIDC) => ({ acr: demandedAcr(oidc.params ?? {}) }),
    ),
  )
}

/** OpenID Connect Core Error Code unmet_authentication_requirements 1.0. */
const unmet = () =>
  new errors.UnmetAuthenticationRequirements('the person could not sign in at the level that was demanded as essential')

const isImpersonable = (client: Client, redirectUri: string): boolean => {
  if (client.isFirstParty) return false
  return client.kind === 'native' || !/^https?:/.test(redirectUri)
}
