// A machine: it gets a token of its own by client credentials and calls the API.
import * as client from 'openid-client'

export async function runReport({
  issuer,
  clientId,
  clientSecret,
  apiUrl,
}: {
  issuer: string
  clientId: string
  clientSecret: string
  apiUrl: string
}) {
  const options = issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, options)
  const { access_token: token } = await client.clientCredentialsGrant(config)
  const answer = await fetch(apiUrl, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.json() }
}
