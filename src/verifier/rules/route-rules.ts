// Which request needs what: rules by host, path and method, of which the first that matches counts; what none matches is refused.

/** What an operator declares for one kind of request. */
export interface RouteRule {
  /** Host names without port, in lower case; `*.example.com` for every one below. Default: any host. */
  hosts?: readonly string[]
  /** `/orders` exactly, `/orders/*` with one segment in place of the star, `/orders/**` with any number of them, also none. */
  paths: readonly string[]
  /** In capitals. Default: every method. */
  methods?: readonly string[]
  /** True lets everybody pass, with or without a token. */
  isPublic?: boolean
  /** Every one of these scopes. */
  scopes?: readonly string[]
  /** One of these roles. */
  roles?: readonly string[]
  /** One of these levels of authentication (RFC 9470). */
  acrValues?: readonly string[]
  /** Seconds since the person signed in, at most. */
  maxAge?: number
}

export interface GuardedRequest {
  /** As sent, with or without a port. */
  host: string
  method: string
  /** As in the request line, without the query. */
  path: string
}

export interface RouteRules {
  /** Undefined: no rule is for this request. */
  find(request: GuardedRequest): RouteRule | undefined
}

/** Throws TypeError on a rule that could not be meant. */
export function createRouteRules(rules: readonly RouteRule[]): RouteRules {
  const compiled = rules.map((rule, index) => ({ rule, matches: matcher(rule, index) }))
  return { find: (request) => compiled.find(({ matches }) => matches(request))?.rule }
}

const names = new Set(['hosts', 'paths', 'methods', 'isPublic', 'scopes', 'roles', 'acrValues', 'maxAge'])

function matcher(rule: RouteRule, index: number): (request: GuardedRequest) => boolean {
  const demand = (isRight: boolean, problem: string) => {
    if (!isRight) throw new TypeError(`Rule ${index + 1}: ${problem}.`)
  }
  const unknown = Object.keys(rule).find((name) => !names.has(name))
  demand(unknown === undefined, `there is no ${unknown}; there is ${[...names].join(', ')}`)
  const { hosts, paths, methods } = rule
  demand(isList(paths, /^\/[^?#]*$/), 'paths must be a list of paths that begin with a slash')
  demand(hosts === undefined || isList(hosts, /^(\*\.)?[a-z0-9.-]+$/), 'hosts must be a list of names in lower case')
  demand(methods === undefined || isList(methods, /^[A-Z]+$/), 'methods must be a list of names in capitals')
  const isDemanding = [rule.scopes, rule.roles, rule.acrValues, rule.maxAge].some((value) => value !== undefined)
  demand(!(rule.isPublic && isDemanding), 'a public path can demand nothing')
  const patterns = paths.map(pathPattern)
  return ({ host, method, path }) =>
    (hosts === undefined || hosts.some((name) => isHost(name, host))) &&
    (methods === undefined || methods.includes(method)) &&
    patterns.some((pattern) => pattern.test(path))
}

const isList = (value: readonly string[] | undefined, shape: RegExp): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'string' && shape.test(entry))

function isHost(name: string, sent: string): boolean {
  const host = sent.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  return name.startsWith('*.') ? host.endsWith(name.slice(1)) && host.length > name.length - 1 : host === name
}

/** Case counts, as it does in paths; a final slash is another path. */
function pathPattern(path: string): RegExp {
  const source = path
    .split('/')
    .slice(1)
    .map((segment, index, all) => {
      if (segment === '**' && index === all.length - 1) return '(?:/.*)?'
      return segment === '*' ? '/[^/]+' : `/${segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`
    })
    .join('')
  return new RegExp(`^${source}$`, 's')
}
