// Which rule is for a request, and which paths are nobody's because they could be read in two ways.
import { pathProblem } from '../../../src/verifier/rules/request-target.ts'
import { createRouteRules, type RouteRule } from '../../../src/verifier/rules/route-rules.ts'

describe('a path', () => {
  it.each([
    '/',
    '/orders',
    '/orders/',
    '/orders/4711',
    '/a-b_c~d.e/f',
    '/caf%C3%A9',
    '/a%20b',
    '/orders/a.b..c',
    '/.well-known/x',
    "/a'(b)*,c!:@&=+$",
  ])('%s can be read in one way', (path) => {
    expect(pathProblem(path)).toBeUndefined()
  })

  it.each([
    ['', 'slash'],
    ['orders', 'slash'],
    ['http://evil/orders', 'slash'],
    ['//orders', 'empty segment'],
    ['/orders//1', 'empty segment'],
    ['/./orders', 'dot segment'],
    ['/public/../orders', 'dot segment'],
    ['/orders/..', 'dot segment'],
    ['/public/%2e%2e/orders', 'needs no encoding'],
    ['/public/%2E./orders', 'needs no encoding'],
    ['/public/.%2e/orders', 'needs no encoding'],
    ['/orders%2f1', 'encoded slash'],
    ['/orders%2F1', 'encoded slash'],
    ['/orders%5c1', 'backslash'],
    ['/orders\\1', 'must be percent-encoded'],
    ['/orders;a=b', 'path parameters'],
    ['/orders;/../x', 'dot segment'],
    ['/orders%3bx', 'semicolon'],
    ['/orders%252f', 'percent sign'],
    ['/orders%00', 'control'],
    ['/orders%0a', 'control'],
    ['/orders\n', 'percent-encoded'],
    ['/orders ', 'percent-encoded'],
    ['/%6frders', 'needs no encoding'],
    ['/%4F', 'needs no encoding'],
    ['/orders%', 'encodes nothing'],
    ['/orders%zz', 'encodes nothing'],
    ['/orders%ff', 'not UTF-8'],
    ['/orders?x', 'percent-encoded'],
    ['/orders#x', 'percent-encoded'],
    ['/é', 'percent-encoded'],
    [`/${'a'.repeat(8192)}`, 'longer'],
  ])('%j is refused: %s', (path, why) => {
    expect(pathProblem(path)).toContain(why)
  })
})

const rules: RouteRule[] = [
  { paths: ['/health', '/assets/**'], isPublic: true },
  { hosts: ['admin.example.com', '*.ops.example.com'], paths: ['/**'], roles: ['owner'] },
  { paths: ['/orders', '/orders/*'], methods: ['GET', 'HEAD'], scopes: ['orders:read'] },
  { paths: ['/orders', '/orders/**'], scopes: ['orders:write'] },
]

describe('the rule for a request', () => {
  const { find } = createRouteRules(rules)
  it.each([
    ['GET', 'api.example.com', '/health', 0],
    ['POST', 'api.example.com', '/assets', 0],
    ['GET', 'api.example.com', '/assets/a/b', 0],
    ['GET', 'admin.example.com', '/orders', 1],
    ['GET', 'ADMIN.example.com:8443', '/x', 1],
    ['GET', 'a.ops.example.com', '/', 1],
    ['GET', 'api.example.com', '/orders', 2],
    ['GET', 'api.example.com', '/orders/7', 2],
    ['GET', 'api.example.com', '/orders/7/lines', 3],
    ['DELETE', 'api.example.com', '/orders/7', 3],
  ])('%s %s%s is number %i', (method, host, path, index) => {
    expect(find({ method, host, path })).toBe(rules[index])
  })

  it.each([
    ['GET', 'api.example.com', '/'],
    ['GET', 'api.example.com', '/Orders'],
    ['GET', 'api.example.com', '/ordersx'],
    ['GET', 'api.example.com', '/healthz'],
    ['GET', 'ops.example.com', '/'],
    ['GET', 'evilops.example.com', '/'],
  ])('%s %s%s has none, and none is no', (method, host, path) => {
    expect(find({ method, host, path })).toBeUndefined()
  })

  it.each([
    [{ paths: [] }, 'paths'],
    [{ paths: ['orders'] }, 'paths'],
    [{ paths: ['/'], methods: ['get'] }, 'methods'],
    [{ paths: ['/'], hosts: ['Example.com'] }, 'hosts'],
    [{ paths: ['/'], isPublic: true, scopes: ['a'] }, 'public'],
    [{ paths: ['/'], scope: ['a'] }, 'scope'],
  ])('%j is refused when it is declared', (rule, why) => {
    expect(() => createRouteRules([rule as RouteRule])).toThrow(why)
  })
})
