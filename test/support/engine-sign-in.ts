// Finishes a sign-in as the hosted pages do, through the engine's own interaction, whatever those pages ask for at the moment.
import type { InteractionResults } from 'oidc-provider'
import type { TestServer } from './test-server.ts'
import type { Page, UserAgent } from './user-agent.ts'

export type Login = NonNullable<InteractionResults['login']>

/** `page` is the one that asks for a sign-in; follows up to the application, or to the page that comes next. */
export const finishSignIn = (gatehouse: Pick<TestServer, 'server'>, agent: UserAgent, page: Page, login: Login) =>
  finishInteraction(gatehouse, agent, page, { login })

export async function finishInteraction(
  gatehouse: Pick<TestServer, 'server'>,
  agent: UserAgent,
  page: Page,
  result: InteractionResults,
): Promise<Page> {
  return agent.visit(await storeResult(gatehouse, page, result))
}

/** Where the browser would be sent on to. */
export async function storeResult(
  { server }: Pick<TestServer, 'server'>,
  page: Page,
  result: InteractionResults,
): Promise<string> {
  const interaction = await server.node.engine.provider().Interaction.find(interactionUid(page))
  if (!interaction) throw new Error(`There is no interaction: ${page.status} ${page.url.href}`)
  interaction.result = { ...interaction.lastSubmission, ...result }
  await interaction.save(600)
  return interaction.returnTo
}

export function interactionUid({ url, text }: Page): string {
  const uid = /^\/interaction\/([^/]+)$/.exec(url.pathname)?.[1]
  if (!uid) throw new Error(`This page asks for nothing: ${url.href} ${text.replace(/<[^>]+>/g, ' ').slice(0, 500)}`)
  return uid
}
