// The conformance table: requests as they are sent, and what every placement of the check must answer.
import type { RouteRule } from '../../src/verifier/verifier.ts'
import type { TokenName } from './tokens.ts'

export interface Case {
  name: string
  method: string
  host: string
  /** As in the request line. */
  path: string
  /** Sent as `Authorization: Bearer TOKEN`, before the headers. */
  token: TokenName | undefined
  /** `TOKEN` in a value stands for a good token. */
  headers: [string, string][]
  status: number
  code: string | undefined
  isReached: boolean
  identity: Record<string, string>
}

export const rules: RouteRule[] = [
  { paths: ['/public', '/public/**'], isPublic: true },
  { hosts: ['reports.example', '*.reports.example'], paths: ['/reports/**'], scopes: ['orders:read'] },
  { paths: ['/orders', '/orders/**'], methods: ['GET', 'HEAD'], scopes: ['orders:read'] },
  { paths: ['/orders', '/orders/*'], methods: ['POST', 'PUT', 'DELETE'], scopes: ['orders:read', 'orders:write'] },
  { paths: ['/admin/**'], roles: ['admin', 'auditor'] },
  { paths: ['/secure/**'], acrValues: ['urn:gatehouse:acr:2fa', 'phr'] },
  { paths: ['/fresh'], maxAge: 300 },
  { paths: ['/any'] },
]

const caller = { 'x-auth-subject': 'account-1', 'x-auth-client-id': 'client-1' }
const reader = { ...caller, 'x-auth-scope': 'orders:read orders:write' }
const base = { method: 'GET', host: 'orders.example', path: '/orders', headers: [], identity: {} }

const passes = (name: string, token: TokenName, changes: Partial<Case> = {}): Case => ({
  ...base,
  name,
  token,
  status: 200,
  code: undefined,
  isReached: true,
  identity: reader,
  ...changes,
})
const refused = (name: string, status: number, code: string, changes: Partial<Case> = {}): Case => ({
  ...base,
  name,
  token: undefined,
  status,
  code,
  isReached: false,
  ...changes,
})
const invalid = (name: string, token: TokenName): Case => refused(name, 401, 'invalid_token', { token })
const ambiguous = (path: string): Case => refused(`path ${path}`, 400, 'invalid_request', { token: 'good', path })
const unknown = (path: string, changes: Partial<Case> = {}): Case =>
  refused(`no rule for ${changes.method ?? 'GET'} ${path}`, 403, 'access_denied', { token: 'good', path, ...changes })
const authorization = (name: string, value: string, status: number, code: string): Case =>
  refused(name, status, code, { headers: [['Authorization', value]] })
const spoofed = (...headers: [string, string][]): Case =>
  passes(`spoofed ${headers.map(([name]) => name).join(' and ')}`, 'good', { headers })
const open = (name: string, changes: Partial<Case> = {}): Case => ({
  ...passes(name, 'good', { path: '/public/x', identity: {} }),
  token: undefined,
  ...changes,
})

const headersOfRequests: Case[] = [
  refused('no token', 401, 'missing_token'),
  authorization('an empty Authorization header', '', 401, 'missing_token'),
  authorization('scheme only', 'Bearer', 400, 'invalid_request'),
  authorization('Basic', 'Basic YTpi', 401, 'missing_token'),
  authorization('DPoP', 'DPoP TOKEN', 401, 'missing_token'),
  authorization('Digest', 'Digest username="a"', 401, 'missing_token'),
  authorization('no scheme', 'TOKEN', 401, 'missing_token'),
  authorization('two tokens', 'Bearer TOKEN TOKEN', 400, 'invalid_request'),
  authorization('a list', 'Bearer TOKEN, Bearer TOKEN', 400, 'invalid_request'),
  authorization('a quoted token', 'Bearer "TOKEN"', 400, 'invalid_request'),
  authorization('a comma behind it', 'Bearer TOKEN,', 400, 'invalid_request'),
  authorization('a token parameter', 'Bearer token=TOKEN x', 400, 'invalid_request'),
  authorization('Bearer twice', 'Bearer Bearer TOKEN', 400, 'invalid_request'),
  authorization('a tab in place of the space', 'Bearer\tTOKEN', 401, 'missing_token'),
  refused('two Authorization headers', 400, 'invalid_request', {
    token: 'good',
    headers: [['Authorization', 'Bearer TOKEN']],
  }),
  refused('a good and a bad Authorization header', 400, 'invalid_request', {
    token: 'good',
    headers: [['authorization', 'Basic YTpi']],
  }),
  refused('a token in the query only', 401, 'missing_token', { path: '/orders?access_token=TOKEN' }),
  refused('a token in a cookie only', 401, 'missing_token', { headers: [['Cookie', 'access_token=TOKEN']] }),
  refused('a token in Proxy-Authorization', 401, 'missing_token', {
    headers: [['Proxy-Authorization', 'Bearer TOKEN']],
  }),
  refused('a token in X-Authorization', 401, 'missing_token', { headers: [['X-Authorization', 'Bearer TOKEN']] }),
  passes('the scheme in small letters', 'good', { token: undefined, headers: [['authorization', 'bearer TOKEN']] }),
  passes('the scheme in capitals', 'good', { token: undefined, headers: [['AUTHORIZATION', 'BEARER TOKEN']] }),
  passes('several spaces', 'good', { token: undefined, headers: [['Authorization', 'Bearer   TOKEN']] }),
]

const goodTokens: Case[] = [
  passes('a good token', 'good'),
  passes('a good token by RS256', 'goodRs256'),
  passes('typ in full', 'typApplication'),
  passes('typ in capitals', 'typCapitals'),
  passes('several audiences', 'audienceList'),
  passes('expired within the tolerance', 'justExpired'),
  passes('not yet valid within the tolerance', 'justNotYet'),
  passes('a query', 'good', { path: '/orders?a=1&b=%2f..;//' }),
  passes('a scope that is enough', 'readOnly', { identity: { ...caller, 'x-auth-scope': 'orders:read' } }),
  passes('no scope where none is needed', 'noScope', { path: '/any', identity: caller }),
  passes('a subject beyond ASCII', 'unicodeSubject', { identity: { ...reader, 'x-auth-subject': 'zo%C3%AB' } }),
  passes('a subject with a line break', 'lineBreakSubject', {
    identity: { ...reader, 'x-auth-subject': 'a%0D%0AX-Auth-Roles:%20admin' },
  }),
  passes('POST with both scopes', 'good', { method: 'POST', headers: [['Content-Length', '0']] }),
  passes('DELETE with both scopes', 'good', { method: 'DELETE', path: '/orders/7' }),
]

const badTokens: Case[] = (
  [
    'expired',
    'expiredLongAgo',
    'notYet',
    'future',
    'noExp',
    'textExp',
    'noIat',
    'textNbf',
    'wrongIssuer',
    'issuerSlash',
    'noIssuer',
    'wrongAudience',
    'audiencePrefix',
    'audienceSlash',
    'noAudience',
    'emptyAudience',
    'noSubject',
    'emptySubject',
    'noClient',
    'noJti',
    'scopeList',
    'bound',
    'boundMtls',
    'idToken',
    'noTyp',
    'logoutToken',
    'dpopProof',
    'introspectionJwt',
    'none',
    'noneCapitals',
    'noneSigned',
    'noAlg',
    'hs256',
    'hs256Rsa',
    'algMismatch',
    'foreign',
    'foreignOwnKid',
    'foreignJwk',
    'foreignJku',
    'kidPath',
    'crit',
    'critUnknown',
    'encrypted',
    'opaque',
    'dots',
    'twoParts',
    'fourParts',
    'noSignature',
    'cutSignature',
    'zeroSignature',
    'alteredClaims',
    'claimsNoJson',
    'headerNoJson',
    'claimsList',
    'padded',
  ] as const
).map((token) => invalid(`token: ${token}`, token))

const short = (name: string, token: TokenName, path: string): Case =>
  refused(name, 403, 'insufficient_scope', { token, path })
const weak = (name: string, token: TokenName, path: string): Case =>
  refused(name, 401, 'insufficient_user_authentication', { token, path })

const demands: Case[] = [
  short('no scope', 'noScope', '/orders'),
  short('an empty scope', 'emptyScope', '/orders'),
  short('another scope', 'otherScope', '/orders'),
  short('a scope that looks like it', 'scopePrefix', '/orders'),
  short('the scope in capitals', 'scopeCapitals', '/orders'),
  refused('POST with half of the scopes', 403, 'insufficient_scope', {
    token: 'readOnly',
    method: 'POST',
    headers: [['Content-Length', '0']],
  }),
  short('no role', 'good', '/admin'),
  short('another role', 'viewer', '/admin/users'),
  short('the role in capitals', 'roleCapitals', '/admin'),
  short('two roles in one text', 'roleAsText', '/admin'),
  short('a role that is no text', 'roleObject', '/admin'),
  passes('the role', 'admin', { path: '/admin/users', identity: { ...reader, 'x-auth-roles': 'admin' } }),
  passes('one of two roles', 'twoRoles', { path: '/admin', identity: { ...reader, 'x-auth-roles': 'viewer auditor' } }),
  passes('a role with a space', 'oddRoles', { path: '/admin', identity: { ...reader, 'x-auth-roles': 'a%20b admin' } }),
  weak('no acr', 'good', '/secure/x'),
  weak('acr too low', 'acr1', '/secure/x'),
  weak('acr as a list', 'acrList', '/secure/x'),
  passes('acr', 'acr2', { path: '/secure/x', identity: { ...reader, 'x-auth-acr': 'urn:gatehouse:acr:2fa' } }),
  passes('another acr that is enough', 'phr', { path: '/secure', identity: { ...reader, 'x-auth-acr': 'phr' } }),
  weak('no auth_time', 'good', '/fresh'),
  weak('auth_time too old', 'stale', '/fresh'),
  weak('auth_time as text', 'authTimeText', '/fresh'),
  passes('auth_time', 'fresh', { path: '/fresh' }),
]

const publicPaths: Case[] = [
  open('public without token'),
  open('public with a good token', { token: 'good' }),
  open('public with an expired token', { token: 'expired' }),
  open('public with a forged token', { token: 'foreign' }),
  open('public with junk', { headers: [['Authorization', 'junk']] }),
  open('public with two Authorization headers', { token: 'good', headers: [['Authorization', 'Bearer x']] }),
  open('public by POST', { method: 'POST', headers: [['Content-Length', '0']] }),
  open('public with spoofed headers', {
    headers: [
      ['X-Auth-Subject', 'root'],
      ['X-Auth-Roles', 'admin'],
    ],
  }),
  open('public with spoofed headers in small letters and underscores', { headers: [['x_auth_subject', 'root']] }),
]

const spoofing: Case[] = [
  spoofed(['X-Auth-Subject', 'root']),
  spoofed(['x-auth-subject', 'root']),
  spoofed(['X-AUTH-SUBJECT', 'root']),
  spoofed(['x_auth_subject', 'root']),
  spoofed(['X_Auth_Subject', 'root']),
  spoofed(['X-Auth_Subject', 'root']),
  spoofed(['X.Auth.Subject', 'root']),
  spoofed(['X-Auth-Subject', 'root'], ['X-Auth-Subject', 'root2']),
  spoofed(['X-Auth-Subject', 'root'], ['x_auth_subject', 'root2']),
  spoofed(['X-Auth-Client-Id', 'root']),
  spoofed(['X_AUTH_CLIENT_ID', 'root']),
  spoofed(['X-Auth-Scope', 'admin']),
  spoofed(['X-Auth-Roles', 'admin']),
  spoofed(['x_auth_roles', 'admin'], ['X-AUTH-ROLES', 'admin']),
  spoofed(['X-Auth-Acr', 'phr']),
  spoofed(['Connection', 'X-Auth-Subject, Authorization']),
  spoofed(['Connection', 'x-auth-client-id'], ['X-Auth-Client-Id', 'root']),
]

const paths: Case[] = [
  ...[
    '//orders',
    '/orders//7',
    '/public//../orders',
    '/public/../orders',
    '/public/..',
    '/public/.',
    '/./orders',
    '/orders/./7',
    '/orders/../admin',
    '/public/%2e%2e/orders',
    '/public/%2E%2E/orders',
    '/public/.%2e/orders',
    '/public/%2e/orders',
    '/orders;x',
    '/public;/../orders',
    '/public/;x=1/orders',
    '/public/..;/orders',
    '/public%2forders',
    '/public%2Forders',
    '/public/..%2forders',
    '/public%5corders',
    '/public%5C..%5Corders',
    '/public\\orders',
    '/public/..\\orders',
    '/public/%00',
    '/orders%00',
    '/orders%0a',
    '/orders%0d%0aX:y',
    '/orders%7f',
    '/public/%252e%252e/orders',
    '/orders%25',
    '/orders%3b',
    '/%6frders',
    '/%61dmin',
    '/public/%zz',
    '/public/%',
    '/public/%c3%28',
    '/orders/"x"',
    '/orders/<x>',
    '/orders/{x}',
    '/orders/|x',
    '/orders/^x',
    '/orders/`x',
    '/public#/orders',
    '/public/#',
    '/orders?x#y',
    'http://orders.example/orders',
    'http://other.example/public',
    'HTTP://orders.example/public',
    '/%2e%2e/public',
    '/public/%2e%2e%2forders',
    '/public/.../../orders',
    '/public/x%2e',
    '/public/%7Euser',
  ].map(ambiguous),
  unknown('/'),
  unknown('/Orders'),
  unknown('/ORDERS'),
  unknown('/ordersx'),
  unknown('/order'),
  unknown('/orders.json'),
  unknown('/Public'),
  unknown('/publicx'),
  unknown('/any/'),
  unknown('/orders', { method: 'PATCH', headers: [['Content-Length', '0']] }),
  unknown('/orders', { method: 'OPTIONS' }),
  unknown('/orders/7/lines', { method: 'DELETE' }),
  unknown('/orders', { method: 'PROPFIND' }),
  refused('no rule, without token', 403, 'access_denied', { path: '/nothing' }),
  refused('no rule, with a bad token', 403, 'access_denied', { path: '/nothing', token: 'expired' }),
  refused('an ambiguous path, without token', 400, 'invalid_request', { path: '/public/../orders' }),
  passes('a final slash', 'good', { path: '/orders/' }),
  passes('deep below', 'good', { path: '/orders/7/lines/1' }),
  passes('dots in a name', 'good', { path: '/orders/a..b' }),
  passes('letters beyond ASCII', 'good', { path: '/orders/%C3%BC' }),
  passes('an encoded space', 'good', { path: '/orders/a%20b' }),
]

const hosts: Case[] = [
  passes('the host of a rule', 'good', { path: '/reports/1', host: 'reports.example' }),
  passes('the host with a port', 'good', { path: '/reports/1', host: 'reports.example:8080' }),
  passes('the host in capitals', 'good', { path: '/reports/1', host: 'REPORTS.Example' }),
  passes('the host with a final dot', 'good', { path: '/reports/1', host: 'reports.example.' }),
  passes('a host below', 'good', { path: '/reports/1', host: 'a.b.reports.example' }),
  unknown('/reports/1'),
  unknown('/reports/1 at evilreports.example', { path: '/reports/1', host: 'evilreports.example' }),
  unknown('/reports/1 at reports.example.evil', { path: '/reports/1', host: 'reports.example.evil' }),
  unknown('/reports/1 by X-Forwarded-Host', { path: '/reports/1', headers: [['X-Forwarded-Host', 'reports.example']] }),
  refused('a user in the host', 400, 'invalid_request', { token: 'good', host: 'a@orders.example' }),
  refused('a path in the host', 400, 'invalid_request', { token: 'good', host: 'orders.example/public' }),
  refused('two names in the host', 400, 'invalid_request', { token: 'good', host: 'orders.example, reports.example' }),
  refused('two Host headers', 400, 'invalid_request', { token: 'good', headers: [['Host', 'reports.example']] }),
  unknown('/nothing with X-Original-URL', { path: '/nothing', headers: [['X-Original-URL', '/orders']] }),
  unknown('/nothing with X-Rewrite-URL', { path: '/nothing', headers: [['X-Rewrite-URL', '/public']] }),
  unknown('/orders with a method override', {
    path: '/orders',
    method: 'PATCH',
    headers: [
      ['X-HTTP-Method-Override', 'GET'],
      ['Content-Length', '0'],
    ],
  }),
]

/** Ours, and those that Node's parser refuses before anybody sees them, which have no code. */
const unparsed: Case[] = [
  {
    ...refused('a length and chunks', 400, '', { token: 'good', method: 'POST' }),
    headers: [
      ['Content-Length', '1'],
      ['Transfer-Encoding', 'chunked'],
    ],
  },
  {
    ...refused('two lengths', 400, '', { token: 'good', method: 'POST' }),
    headers: [
      ['Content-Length', '1'],
      ['Content-Length', '2'],
    ],
  },
  { ...refused('a folded header', 400, '', { token: 'good' }), headers: [['X-A', 'b\r\n\tX-Auth-Subject: root']] },
  { ...refused('a space before the colon', 400, '', { token: 'good' }), headers: [['X-Auth-Subject ', 'root']] },
  { ...refused('a zero byte in a header', 400, '', { token: 'good' }), headers: [['X-A', 'a\0b']] },
]
const framing = unparsed.map((one): Case => ({ ...one, code: undefined }))

export const cases: Case[] = [
  ...headersOfRequests,
  ...goodTokens,
  ...badTokens,
  ...demands,
  ...publicPaths,
  ...spoofing,
  ...paths,
  ...hosts,
  ...framing,
]
