// Loads the half-finished sign-in that a request belongs to, keeps its state, and hands its outcome back to the engine.

import type { Context } from 'koa'
import type { InteractionResults, Provider } from 'oidc-provider'
import type { Account, AccountStore } from '../accounts/account-store.ts'
import { type FactorSummary, hasSecondFactor, noFactors } from '../accounts/factors/factor-store.ts'
import type { Branding } from '../branding/branding.ts'
import type { Client, ClientMetadata } from '../clients/client-store.ts'
import { combinedDemand, type SecondFactorRule } from '../config/second-factor-rule.ts'
import type { Database } from '../database/database.ts'
import { badRequest } from '../http/errors.ts'
import { chooseLanguage } from '../language/language-choice.ts'
import type { Translations } from '../language/translations.ts'
import type { Engine } from '../oidc/engine.ts'
import { demandedAcr } from '../oidc/policy/acr.ts'
import { nextStep, type Situation, type Step } from './next-step.ts'
import { isFromSession, methodsOfSession, type Progress, type SignInState, stateIn, stateKey } from './sign-in-state.ts'
import { wrongStep } from './wrong-step.ts'

type EngineInteraction = Awaited<ReturnType<Provider['interactionDetails']>>

export interface Interaction {
  uid: string
  step: Step
  situation: Situation
  /** The account whose session this is, if anybody is signed in. */
  accountId: string | undefined
  grantId: string | undefined
  client: Client
  params: Record<string, unknown>
  state: SignInState
  /** Whose sign-in this is, once the first factor has been shown. */
  account: Account | undefined
  factors: FactorSummary
  engine: EngineInteraction
}

export interface InteractionParts {
  engine: Engine
  database: Database
  accounts: Pick<AccountStore, 'find'>
  factorStore: { summary(sub: string): Promise<FactorSummary> }
  isPasswordExpired(account: Account): boolean
  /** Spared the second factor in this browser. */
  isDeviceRemembered(ctx: Context, sub: string): Promise<boolean>
  secondFactorRule: SecondFactorRule
  translations: Translations
  branding: Pick<Branding, 'of'>
  cookieNames: { interaction: string; resume: string }
  findClient(clientId: string): Promise<Client | undefined>
}

export type Interactions = ReturnType<typeof createInteractions>

/** A sign-in takes the time that somebody needs to fetch a phone or a mail: each step that is passed gives it these seconds anew. */
const stepSeconds = 900

export function createInteractions(parts: InteractionParts) {
  const { engine, database, cookieNames } = parts

  /** Refuses a link that is not this browser's, or that is over; `steps` are those that the caller serves. */
  const load = async (ctx: Context, ...steps: Step[]): Promise<Interaction> => {
    const interaction = await describe(ctx, await find(ctx, engine.provider()), parts)
    if (steps.length > 0 && !steps.includes(interaction.step)) throw wrongStep()
    return interaction
  }

  /** Keeps what has been shown so far, and the two cookies that lead back to it for as long. */
  const save = async (ctx: Context, { engine: record, uid }: Interaction, state: SignInState): Promise<void> => {
    record.result = { [stateKey]: state } as InteractionResults
    await record.save(stepSeconds)
    const options = {
      httpOnly: true,
      sameSite: 'lax',
      signed: true,
      secure: ctx.secure,
      maxAge: stepSeconds * 1000,
    } as const
    ctx.cookies.set(cookieNames.interaction, uid, { ...options, path: `/interaction/${uid}` })
    ctx.cookies.set(cookieNames.resume, uid, { ...options, path: new URL(record.returnTo).pathname })
  }

  return {
    load,
    save,

    /** The browser asks anew what comes next. */
    goOn: (ctx: Context, { uid }: Pick<Interaction, 'uid'>): void => {
      ctx.redirect(`/interaction/${uid}`)
      ctx.status = 303
    },

    /** Sends the browser back to the engine with what came out. `work` is committed together with it. */
    finish: async (ctx: Context, result: InteractionResults | (() => Promise<InteractionResults>)): Promise<void> => {
      const returnTo = await database.transaction(async () => {
        const outcome = typeof result === 'function' ? await result() : result
        return engine.provider().interactionResult(ctx.req, ctx.res, outcome)
      })
      ctx.redirect(returnTo)
      ctx.status = 303
    },
  }
}

async function describe(ctx: Context, found: EngineInteraction, parts: InteractionParts): Promise<Interaction> {
  chooseLanguage(ctx, parts.translations, found.params.ui_locales)
  ctx.state.pageAddress = `/interaction/${found.uid}`
  const client = await parts.findClient(String(found.params.client_id))
  if (!client || client.disabledAt)
    throw badRequest('unknown_client', 'The application that you came from is no longer registered here.')
  ctx.state.brand = parts.branding.of(client.clientId)
  const { progress, ...rest } = stateIn(found.result)
  const known = progress ?? (await progressOfSession(found, parts))
  const account = known && (await currentAccount(known, parts))
  const factors = account ? await parts.factorStore.summary(account.sub) : noFactors
  const demanded = demandedAcr(found.params)
  const situation: Situation = {
    prompt: found.prompt.name,
    hasSession: found.session?.accountId !== undefined,
    progress: account && {
      methods: known.methods,
      account: { factors, isPasswordExpired: parts.isPasswordExpired(account) || isTooShort(account, factors) },
      isFromSession: isFromSession(known),
    },
    demand: combinedDemand(parts.secondFactorRule, client.secondFactor, account?.roles ?? []),
    // What no sign-in could reach is for the engine to refuse.
    demandedLevel: demanded.level > 3 ? 0 : demanded.level,
    isLevelEssential: demanded.isEssential,
    isDeviceRemembered: account ? await parts.isDeviceRemembered(ctx, account.sub) : false,
  }
  return {
    uid: found.uid,
    step: nextStep(situation),
    situation,
    accountId: found.session?.accountId,
    grantId: found.grantId,
    client,
    params: found.params,
    state: account ? { ...rest, progress: known } : rest,
    account,
    factors,
    engine: found,
  }
}

/** It was set beside a second factor, which an operator has taken away since. */
const isTooShort = ({ isPasswordShort }: Account, factors: FactorSummary) =>
  isPasswordShort && !hasSecondFactor(factors)

async function find(ctx: Context, provider: Provider): Promise<EngineInteraction> {
  try {
    const found = await provider.interactionDetails(ctx.req, ctx.res)
    if (found.uid === ctx.params.uid) return found
  } catch (error) {
    if ((error as Error).name !== 'SessionNotFound') throw error
  }
  throw badRequest(
    'sign_in_expired',
    'This sign-in is over, or was begun in another browser. Go back to the application and try again.',
  )
}

/** Undefined when the account is gone, disabled, or no longer as it was when this began. */
async function currentAccount({ sub, securityVersion }: Progress, { accounts }: InteractionParts) {
  const account = await accounts.find(sub)
  return account && !account.disabledAt && account.securityVersion === securityVersion ? account : undefined
}

/** Only a stronger authentication is asked for: who is signed in need not begin at the beginning. */
async function progressOfSession(found: EngineInteraction, { engine, accounts }: InteractionParts) {
  const { session, prompt } = found
  const isStepUp = prompt.name === 'login' && prompt.reasons.every((reason) => stepUpReasons.has(reason))
  if (!isStepUp || !session?.accountId) return undefined
  const [signedIn, account] = await Promise.all([
    engine.provider().Session.findByUid(session.uid),
    accounts.find(session.accountId),
  ])
  if (!account || signedIn?.accountId !== account.sub || signedIn.loginTs === undefined) return undefined
  const methods = methodsOfSession(session.amr, signedIn.loginTs)
  return {
    sub: account.sub,
    securityVersion: account.securityVersion,
    methods,
    session: { authenticatedAt: signedIn.loginTs, methods: methods.length },
  }
}

const stepUpReasons = new Set(['acr_unmet', 'second_factor_owed'])

/** Where the browser will be sent: the one thing about an application that it cannot make up. */
export function publisherHost({ metadata }: { metadata: ClientMetadata }, redirectUri: unknown): string {
  const uri = typeof redirectUri === 'string' ? redirectUri : (metadata.redirect_uris?.[0] ?? '')
  const url = URL.parse(uri)
  return url?.host || url?.protocol.replace(/:$/, '') || ''
}
