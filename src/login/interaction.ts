// Loads the half-finished sign-in that a request belongs to, and hands its outcome back to the engine.
import type { Context } from 'koa'
import type { InteractionResults, Provider } from 'oidc-provider'
import type { Branding } from '../branding/branding.ts'
import type { Client, ClientMetadata } from '../clients/client-store.ts'
import type { Database } from '../database/database.ts'
import { badRequest } from '../http/errors.ts'
import { chooseLanguage } from '../language/language-choice.ts'
import type { Translations } from '../language/translations.ts'
import type { Engine } from '../oidc/engine.ts'
import { nextStep, type Step } from './next-step.ts'

type EngineInteraction = Awaited<ReturnType<Provider['interactionDetails']>>

export interface Interaction {
  uid: string
  step: Step
  /** The account whose session this is, if anybody is signed in. */
  accountId: string | undefined
  grantId: string | undefined
  client: Client
  params: Record<string, unknown>
  engine: EngineInteraction
}

export interface InteractionParts {
  engine: Engine
  database: Database
  findClient(clientId: string): Promise<Client | undefined>
  translations: Translations
  branding: Pick<Branding, 'of'>
}

export type Interactions = ReturnType<typeof createInteractions>

export function createInteractions({ engine, database, findClient, translations, branding }: InteractionParts) {
  return {
    /** Refuses a link that is not this browser's, or that is over; `step` is the one that the caller serves. */
    load: async (ctx: Context, step?: Step): Promise<Interaction> => {
      const found = await find(ctx, engine.provider())
      chooseLanguage(ctx, translations, found.params.ui_locales)
      ctx.state.pageAddress = `/interaction/${found.uid}`
      const client = await findClient(String(found.params.client_id))
      if (!client || client.disabledAt)
        throw badRequest('unknown_client', 'The application that you came from is no longer registered here.')
      ctx.state.brand = branding.of(client.clientId)
      const accountId = found.session?.accountId
      const interaction = {
        uid: found.uid,
        step: nextStep({ prompt: found.prompt.name, accountId }),
        accountId,
        grantId: found.grantId,
        client,
        params: found.params,
        engine: found,
      }
      if (step && interaction.step !== step)
        throw badRequest('wrong_step', 'This page is over. Go back to the application and try again.')
      return interaction
    },

    /** Sends the browser back to the engine with what came out. `work` is committed together with it. */
    finish: async (ctx: Context, result: InteractionResults | (() => Promise<InteractionResults>)): Promise<void> => {
      const returnTo = await database.transaction(async () => {
        const outcome = typeof result === 'function' ? await result() : result
        return engine.provider().interactionResult(ctx.req, ctx.res, outcome)
      })
      ctx.status = 303
      ctx.redirect(returnTo)
    },
  }
}

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

/** Where the browser will be sent: the one thing about an application that it cannot make up. */
export function publisherHost({ metadata }: { metadata: ClientMetadata }, redirectUri: unknown): string {
  const uri = typeof redirectUri === 'string' ? redirectUri : (metadata.redirect_uris?.[0] ?? '')
  const url = URL.parse(uri)
  return url?.host || url?.protocol.replace(/:$/, '') || ''
}
