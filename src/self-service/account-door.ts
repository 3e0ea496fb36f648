// Lets people in to the pages of their own account, and those who want to change how it is secured only after a fresh sign-in.
import type { Context, Middleware } from 'koa'
import type { Account, AccountStore } from '../accounts/account-store.ts'
import type { FactorStore, FactorSummary } from '../accounts/factors/factor-store.ts'
import { accountClientId, accountReturnUri } from '../clients/account-client-registration.ts'
import type { PersonSession, SignedInPerson } from '../oidc/person-session.ts'
import { acrValues, levelOf } from '../oidc/policy/acr.ts'
import type { Destination, ReturnPaths } from './return-path.ts'
import { seeOther } from './see-other.ts'

export interface Visitor {
  session: SignedInPerson
  account: Account
  factors: FactorSummary
}

export interface AccountDoorParts {
  issuer: string
  personSession: PersonSession
  accounts: Pick<AccountStore, 'find'>
  factorStore: Pick<FactorStore, 'summary'>
  returnPaths: ReturnPaths
  /** Speaks to people as their account has it, unless this browser was told otherwise. */
  chooseLanguage(ctx: Context, account: Account): void
}

export type Handler = (ctx: Context, visitor: Visitor) => Promise<void>
export type AccountDoor = ReturnType<typeof createAccountDoor>

/** Seconds for which a sign-in counts as fresh. */
export const freshSeconds = 600

export function createAccountDoor(parts: AccountDoorParts) {
  const find = async (ctx: Context): Promise<Visitor | undefined> => {
    const session = await parts.personSession.find(ctx)
    const account = session && (await parts.accounts.find(session.accountId))
    if (!account || account.disabledAt) return undefined
    parts.chooseLanguage(ctx, account)
    return { session, account, factors: await parts.factorStore.summary(account.sub) }
  }

  const sendToSignIn = (ctx: Context, destination: Destination, demand: Record<string, string> = {}) =>
    seeOther(ctx, signInUrl(parts, destination, demand))
  const destinationOf = ({ path, method }: Context): Destination => ({
    path,
    ...(method === 'POST' ? { wasForm: true } : undefined),
  })

  return {
    find,

    /** For whoever is signed in. */
    open:
      (handler: Handler): Middleware =>
      async (ctx) => {
        const visitor = await find(ctx)
        return visitor ? handler(ctx, visitor) : sendToSignIn(ctx, destinationOf(ctx))
      },

    /** For whoever has signed in within the last minutes, with a second factor where there is one. Also for the forms on such pages. */
    openFreshly:
      (handler: Handler): Middleware =>
      async (ctx) => {
        const visitor = await find(ctx)
        if (!visitor) return sendToSignIn(ctx, destinationOf(ctx))
        if (isFresh(visitor)) return handler(ctx, visitor)
        sendToSignIn(ctx, { ...destinationOf(ctx), isForChange: true }, freshDemand(visitor))
      },

    /** Where a sign-in begins that asks for everything anew. */
    signInAgainUrl: (destination: Destination): string => signInUrl(parts, destination, { prompt: 'login' }),
  }
}

export const isFresh = ({ session, account, factors }: Visitor): boolean =>
  Math.floor(Date.now() / 1000) - session.authTime <= freshSeconds &&
  levelOf(session.acr) >= levelOfChanges(account, factors)

/** A mailed code is a second factor beside a password only: without one the account has no second level to ask for. */
const levelOfChanges = ({ hasPassword }: Account, { hasTotp, passkeys, hasEmailCode }: FactorSummary) =>
  hasTotp || passkeys > 0 || (hasEmailCode && hasPassword) ? 2 : 0

const freshDemand = ({ account, factors }: Visitor): Record<string, string> => ({
  max_age: String(freshSeconds),
  ...(levelOfChanges(account, factors) > 1 ? { acr_values: acrValues[1] } : undefined),
})

function signInUrl(
  { issuer, returnPaths }: AccountDoorParts,
  destination: Destination,
  demand: Record<string, string>,
): string {
  const parameters = new URLSearchParams({
    client_id: accountClientId,
    // Nothing but a session is wanted: neither code nor token (OAuth 2.0 Multiple Response Types section 4).
    response_type: 'none',
    redirect_uri: accountReturnUri(issuer),
    scope: 'openid',
    state: returnPaths.seal(destination),
    ...demand,
  })
  return `/authorize?${parameters}`
}
