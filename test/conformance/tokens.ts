// How to make each token of the conformance table: good ones, and ones with one thing wrong.
import { createHmac } from 'node:crypto'
import { claimsOf, epoch, type SigningKey, sign, signingKey } from '../verifier/test-issuer.ts'

export interface Mint {
  issuer: string
  own: SigningKey
  rsa: SigningKey
  foreign: SigningKey
}

export async function createMint(): Promise<Omit<Mint, 'issuer'>> {
  return { own: await signingKey('own'), rsa: await signingKey('rsa', 'RS256'), foreign: await signingKey('foreign') }
}

type Recipe = (mint: Mint) => string | Promise<string>

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = (change: Record<string, unknown> | ((now: number) => Record<string, unknown>)): Recipe => {
  return ({ issuer, own }) => sign(own, claimsOf(issuer, typeof change === 'function' ? change(epoch()) : change))
}
const header =
  (change: Record<string, unknown>): Recipe =>
  ({ issuer, own }) =>
    sign(own, claimsOf(issuer), change)
const good = claims({})
const altered =
  (change: (parts: string[]) => string[]): Recipe =>
  async (mint) =>
    change((await good(mint)).split('.')).join('.')
const unsigned =
  (head: Record<string, unknown>, signature = '') =>
  ({ issuer }: Mint) =>
    `${b64(head)}.${b64(claimsOf(issuer))}.${signature}`

export const tokens = {
  good,
  goodRs256: ({ issuer, rsa }) => sign(rsa, claimsOf(issuer)),
  typApplication: header({ typ: 'application/at+jwt' }),
  typCapitals: header({ typ: 'AT+JWT' }),
  audienceList: claims({ aud: ['https://other.example', 'https://orders.example'] }),
  justExpired: claims((now) => ({ exp: now - 2 })),
  justNotYet: claims((now) => ({ nbf: now + 2 })),
  noScope: claims({ scope: undefined }),
  emptyScope: claims({ scope: '' }),
  otherScope: claims({ scope: 'mail:read' }),
  readOnly: claims({ scope: 'orders:read' }),
  scopePrefix: claims({ scope: 'orders:rea orders:read2' }),
  scopeCapitals: claims({ scope: 'ORDERS:READ' }),
  admin: claims({ roles: ['admin'] }),
  twoRoles: claims({ roles: ['viewer', 'auditor'] }),
  oddRoles: claims({ roles: ['a b', 'admin'] }),
  viewer: claims({ roles: ['viewer'] }),
  roleAsText: claims({ roles: 'admin viewer' }),
  roleCapitals: claims({ roles: ['ADMIN'] }),
  roleObject: claims({ roles: [{ admin: true }] }),
  acr1: claims({ acr: 'urn:gatehouse:acr:1fa' }),
  acr2: claims({ acr: 'urn:gatehouse:acr:2fa' }),
  phr: claims({ acr: 'phr' }),
  acrList: claims({ acr: ['phr'] }),
  fresh: claims((now) => ({ auth_time: now - 30 })),
  stale: claims((now) => ({ auth_time: now - 3600 })),
  authTimeText: claims((now) => ({ auth_time: String(now) })),
  unicodeSubject: claims({ sub: 'zoë' }),
  lineBreakSubject: claims({ sub: 'a\r\nX-Auth-Roles: admin' }),
  expired: claims((now) => ({ exp: now - 60 })),
  expiredLongAgo: claims({ exp: 1 }),
  notYet: claims((now) => ({ nbf: now + 120 })),
  future: claims((now) => ({ iat: now + 600, exp: now + 1200 })),
  noExp: claims({ exp: undefined }),
  textExp: claims({ exp: '9999999999' }),
  noIat: claims({ iat: undefined }),
  textNbf: claims({ nbf: 'now' }),
  wrongIssuer: claims({ iss: 'https://evil.example' }),
  issuerSlash: ({ issuer, own }) => sign(own, claimsOf(issuer, { iss: `${issuer}/` })),
  noIssuer: claims({ iss: undefined }),
  wrongAudience: claims({ aud: 'https://mail.example' }),
  audiencePrefix: claims({ aud: 'https://orders.example.evil' }),
  audienceSlash: claims({ aud: 'https://orders.example/' }),
  noAudience: claims({ aud: undefined }),
  emptyAudience: claims({ aud: [] }),
  noSubject: claims({ sub: undefined }),
  emptySubject: claims({ sub: '' }),
  noClient: claims({ client_id: undefined }),
  noJti: claims({ jti: undefined }),
  scopeList: claims({ scope: ['orders:read'] }),
  bound: claims({ cnf: { jkt: 'x' } }),
  boundMtls: claims({ cnf: { 'x5t#S256': 'x' } }),
  idToken: ({ issuer, own }) => sign(own, claimsOf(issuer, { nonce: 'n' }), { typ: 'JWT' }),
  noTyp: header({ typ: undefined }),
  logoutToken: header({ typ: 'logout+jwt' }),
  dpopProof: header({ typ: 'dpop+jwt' }),
  introspectionJwt: header({ typ: 'token-introspection+jwt' }),
  none: unsigned({ alg: 'none', typ: 'at+jwt' }),
  noneCapitals: unsigned({ alg: 'NoNe', typ: 'at+jwt' }),
  noneSigned: unsigned({ alg: 'none', typ: 'at+jwt' }, 'AAAA'),
  noAlg: unsigned({ typ: 'at+jwt', kid: 'own' }, 'AAAA'),
  hs256: ({ issuer, own }) => {
    const input = `${b64({ alg: 'HS256', typ: 'at+jwt', kid: own.kid })}.${b64(claimsOf(issuer))}`
    return `${input}.${createHmac('sha256', JSON.stringify(own.jwk)).update(input).digest('base64url')}`
  },
  hs256Rsa: ({ issuer, rsa }) => {
    const input = `${b64({ alg: 'HS256', typ: 'at+jwt', kid: rsa.kid })}.${b64(claimsOf(issuer))}`
    return `${input}.${createHmac('sha256', String(rsa.jwk.n)).update(input).digest('base64url')}`
  },
  algMismatch: unsigned({ alg: 'RS256', typ: 'at+jwt', kid: 'own' }, 'AAAA'),
  foreign: ({ issuer, foreign }) => sign(foreign, claimsOf(issuer)),
  foreignOwnKid: ({ issuer, foreign }) => sign(foreign, claimsOf(issuer), { kid: 'own' }),
  foreignJwk: ({ issuer, foreign }) => sign(foreign, claimsOf(issuer), { jwk: foreign.jwk }),
  foreignJku: ({ issuer, foreign }) => sign(foreign, claimsOf(issuer), { jku: 'https://evil.example/jwks' }),
  kidPath: ({ issuer, foreign }) => sign(foreign, claimsOf(issuer), { kid: '../../own' }),
  crit: ({ issuer, own }) => sign(own, claimsOf(issuer), { b64: true, crit: ['b64'] }),
  critUnknown: unsigned({ alg: 'ES256', typ: 'at+jwt', kid: 'own', crit: ['x'], x: 1 }, 'AAAA'),
  encrypted: () => 'eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.AAAA.AAAA.AAAA',
  opaque: () => 'QWERTYuiop0123456789QWERTYuiop0123456789abc',
  dots: () => '..',
  twoParts: altered((parts) => parts.slice(0, 2)),
  fourParts: altered((parts) => [...parts, 'AAAA']),
  noSignature: altered(([head = '', body = '']) => [head, body, '']),
  cutSignature: altered(([head = '', body = '', signature = '']) => [head, body, signature.slice(0, -4)]),
  zeroSignature: altered(([head = '', body = '']) => [head, body, 'A'.repeat(86)]),
  alteredClaims: altered(([head = '', body = '', signature = '']) => {
    const content = JSON.parse(Buffer.from(body, 'base64url').toString()) as object
    return [head, b64({ ...content, scope: 'admin' }), signature]
  }),
  claimsNoJson: altered(([head = '', , signature = '']) => [head, 'AAAA', signature]),
  headerNoJson: altered(([, body = '', signature = '']) => ['AAAA', body, signature]),
  claimsList: altered(([head = '', , signature = '']) => [head, b64([1]), signature]),
  padded: altered(([head = '', body = '', signature = '']) => [head, body, `${signature}==`]),
} satisfies Record<string, Recipe>

export type TokenName = keyof typeof tokens
