// In development a refusal names its exact cause and the fix.
import type { Client } from '../clients/client-store.ts'
import { redirectUriProblem } from '../clients/redirect-uri.ts'

export interface Refusal {
  params: Record<string, unknown>
  client: Client | undefined
  error: { error: string; error_description?: string | undefined }
  cause: Error & { error_detail?: string }
}

export interface Explanation {
  cause: string
  fix: string
  facts: { label: string; value: string }[]
}

export function explainRefusal({ params, client, error, cause }: Refusal): Explanation {
  const clientId = String(params.client_id ?? '')
  if (error.error === 'invalid_redirect_uri' && client) return redirectUri(String(params.redirect_uri ?? ''), client)
  if (error.error === 'invalid_client' && !client) {
    return {
      cause: clientId ? `There is no client with the client_id ${clientId}.` : 'The request names no client_id.',
      fix: 'Look it up with `npx gatehouse clients list`, or make one with `npx gatehouse clients create`.',
      facts: [{ label: 'client_id that was sent', value: clientId }],
    }
  }
  if (cause.name === 'SessionNotFound') {
    return {
      cause: 'This sign-in is not under way: it has ended, took too long, or was begun in another browser.',
      fix: 'Begin again with a new authorization request.',
      facts: [],
    }
  }
  return {
    cause: cause.error_detail ?? error.error_description ?? error.error,
    fix: 'Compare the request with the client as it is registered: `npx gatehouse clients show` prints it.',
    facts: clientId ? [{ label: 'client_id that was sent', value: clientId }] : [],
  }
}

function redirectUri(sent: string, client: Client): Explanation {
  const registered = client.metadata.redirect_uris ?? []
  const nearest = [...registered].sort((left, right) => firstDifference(right, sent) - firstDifference(left, sent))[0]
  return {
    cause: nearest === undefined ? 'This client has no redirect URI registered.' : difference(sent, nearest),
    fix: `Send a registered one. ${howToRegister(sent, client)}`,
    facts: [
      { label: 'redirect_uri that was sent', value: sent },
      ...registered.map((uri) => ({ label: 'registered', value: uri })),
    ],
  }
}

/** The option replaces the whole list. What was sent is a stranger's text: only what a shell takes literally may stand in a command. */
function howToRegister(sent: string, client: Client): string {
  const problem = redirectUriProblem(sent, client.kind)
  if (problem) return `What was sent could not be registered: it ${problem}.`
  const uris = [...(client.metadata.redirect_uris ?? []), sent]
  const options = uris.map((uri) => `--redirect-uri '${uri}'`).join(' ')
  if (uris.some((uri) => uri.includes("'")) || options.length > 400)
    return `Or register it beside them: npx gatehouse clients update ${client.clientId}, with --redirect-uri for each of all.`
  return `Or register it beside them: npx gatehouse clients update ${client.clientId} ${options}`
}

function firstDifference(left: string, right: string): number {
  let index = 0
  while (index < left.length && left[index] === right[index]) index += 1
  return index
}

function difference(sent: string, registered: string): string {
  if (sent === `${registered}/`)
    return 'The redirect_uri that was sent has a final slash that the registered one has not.'
  if (`${sent}/` === registered) return 'The redirect_uri that was sent lacks the final slash of the registered one.'
  const index = firstDifference(sent, registered)
  const at = (text: string) => (index < text.length ? `“${text[index]}”` : 'the end')
  return `The redirect_uri differs from the registered ${registered} at character ${index + 1}: ${at(sent)} was sent, ${at(registered)} is registered.`
}
