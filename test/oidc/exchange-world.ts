// A server with three APIs, a person, an application and services, where tokens are exchanged by policies that each test makes.
import { createHash, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { ExchangePolicyInput } from '../../src/clients/exchange/exchange-policy-registration.ts'
import type { TrustedIssuerInput } from '../../src/clients/exchange/trusted-issuer-registration.ts'
import { type Application, obtainCode, redeem, type Tokens } from '../support/code-flow.ts'
import { startTestServer, type TestServer } from '../support/test-server.ts'
import { type Answer, basic, introspect, machineToken, post } from './requests.ts'

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const typeOf = (kind: string) => `urn:ietf:params:oauth:token-type:${kind}`
export const orders = 'https://orders.example.com'
export const stock = 'https://stock.example.com'
export const billing = 'https://billing.example.com'
const redirectUri = 'https://app.example.com/cb'

export interface Service {
  clientId: string
  clientSecret: string
}

export type ExchangeWorld = Awaited<ReturnType<typeof exchangeWorld>>

/** orders and stock take JWTs, billing opaque tokens; all three have the scopes read and write, stock also count. */
export async function exchangeWorld(options: Parameters<typeof startTestServer>[0] = {}) {
  const gatehouse = await startTestServer(options)
  const { issuer } = gatehouse
  const scopes = ['read', 'write'].map((scope) => ({ scope, description: '' }))
  await gatehouse.makeApi({ audience: orders, scopes })
  await gatehouse.makeApi({ audience: stock, scopes: [...scopes, { scope: 'count', description: '' }] })
  await gatehouse.makeApi({ audience: billing, scopes, tokenFormat: 'opaque' })
  const person = await gatehouse.makeAccount()
  const everything = { [orders]: ['read', 'write'], [stock]: ['read', 'write'], [billing]: ['read', 'write'] }
  const makeApp = async (): Promise<Application> => ({
    redirectUri,
    ...(await gatehouse.makeClient({ redirectUris: [redirectUri], isFirstParty: true, apis: everything })),
  })
  /** A machine that may exchange, and was granted nothing but `orders` without scopes. */
  const makeService = (more: Parameters<TestServer['makeClient']>[0] = {}) =>
    gatehouse.makeClient({ kind: 'machine', tokenExchange: true, apis: { [orders]: [] }, ...more })

  const allow = async (input: ExchangePolicyInput) => {
    const made = await gatehouse.server.node.registrations.exchangePolicies.create(input)
    if (!made.ok) throw new Error(JSON.stringify(made))
    gatehouse.server.stores.exchangeRules.clear()
    return made.policy
  }
  const trust = async (input: TrustedIssuerInput) => {
    const made = await gatehouse.server.node.registrations.trustedIssuers.create(input)
    if (!made.ok) throw new Error(JSON.stringify(made))
    gatehouse.server.stores.exchangeRules.clear()
  }
  const exchange = (
    service: Service,
    fields: Record<string, string> | [string, string][],
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    post(issuer, '/token', [['grant_type', exchangeGrant], ...pairs(fields)], {
      authorization: basic(service),
      ...headers,
    })
  const tokensOf = async (
    params: Record<string, string>,
    { client, who = person }: { client: Application; who?: { email: string; password: string } },
  ): Promise<Tokens> => redeem(issuer, client, await obtainCode(gatehouse, client, who, params))

  return {
    gatehouse,
    issuer,
    person,
    app: await makeApp(),
    makeApp,
    makeService,
    allow,
    trust,
    exchange,
    tokensOf,
    /** An access token of the person for one API. */
    accessToken: async (audience: string, client: Application, scope = 'openid read write') =>
      String((await tokensOf({ scope, resource: audience }, { client })).access_token),
    machineToken: async (machine: Service, fields: Record<string, string> = {}) =>
      String((await machineToken(issuer, machine, fields)).body.access_token),
    introspect: (service: Service, token: unknown) => introspect(issuer, service, token),
  }
}

const pairs = (fields: Record<string, string> | [string, string][]): [string, string][] =>
  Array.isArray(fields) ? fields : Object.entries(fields)

export const subjectFields = (token: string, audience: string, more: Record<string, string> = {}) => ({
  subject_token: token,
  subject_token_type: typeOf('access_token'),
  audience,
  ...more,
})

export interface KeyHolder {
  jwk: JWK
  /** A DPoP proof for the token endpoint. */
  proof(claims?: Record<string, unknown>): Promise<string>
}

export async function keyHolder(issuer: string): Promise<KeyHolder> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  return {
    jwk,
    proof: (claims = {}) =>
      new SignJWT({
        jti: randomUUID(),
        htm: 'POST',
        htu: `${issuer}/token`,
        iat: Math.floor(Date.now() / 1000),
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .sign(privateKey),
  }
}

export const hash = (token: string) => createHash('sha256').update(token).digest('base64url')
