// Decides which API a request means and whether every scope it names was granted: never a silent drop, never a silent grant.
export interface ResourceRequest {
  /** Granted scopes by audience. */
  apis: Readonly<Record<string, readonly string[]>>
  /** Scopes of OpenID Connect itself, which belong to no API. */
  openidScopes: ReadonlySet<string>
  isMachine: boolean
  /** The `resource` parameter (RFC 8707). */
  resource: string | undefined
  scopes: readonly string[]
}

export type ResourceDecision =
  | { ok: true; audience: string | undefined }
  | { ok: false; error: 'invalid_target' | 'invalid_scope'; description: string; scope?: string }

export function requestedApi(request: ResourceRequest): ResourceDecision {
  const { resource, apis } = request
  if (resource !== undefined && !Object.hasOwn(apis, resource)) {
    return { ok: false, error: 'invalid_target', description: `this client was not granted the API ${resource}` }
  }
  const decision: ResourceDecision = resource === undefined ? impliedApi(request) : { ok: true, audience: resource }
  return decision.ok ? (ungrantedScope(request, decision.audience) ?? decision) : decision
}

function impliedApi({ apis, isMachine, scopes }: ResourceRequest): ResourceDecision {
  const audiences = Object.keys(apis)
  const [only] = audiences
  if (audiences.length === 1 && only !== undefined) {
    const wantsIdentityOnly = scopes.includes('openid') && !scopes.some((scope) => apis[only]?.includes(scope))
    return { ok: true, audience: wantsIdentityOnly ? undefined : only }
  }
  if (!isMachine) return { ok: true, audience: undefined }
  const description =
    audiences.length === 0
      ? 'this client was not granted any API'
      : `this client was granted several APIs; name one with the resource parameter: ${audiences.join(', ')}`
  return { ok: false, error: 'invalid_target', description }
}

function ungrantedScope(
  { apis, openidScopes, isMachine, scopes }: ResourceRequest,
  audience: string | undefined,
): ResourceDecision | undefined {
  const granted = new Set(audience === undefined ? [] : apis[audience])
  const scope = scopes.find((name) => !granted.has(name) && (isMachine || !openidScopes.has(name)))
  if (scope === undefined) return undefined
  const owners = Object.keys(apis).filter((name) => apis[name]?.includes(scope))
  const hint = owners.length > 0 && audience === undefined ? `; ask for it with resource=${owners[0]}` : ''
  return {
    ok: false,
    error: 'invalid_scope',
    description: `the scope ${scope} was not granted to this client${audience ? ` for ${audience}` : ''}${hint}`,
    scope,
  }
}
