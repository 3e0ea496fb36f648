// The rules of which API a request means, and which scopes it may name, as a table (contract, "Token rules").
import { openidScopes } from '../../src/oidc/policy/claims.ts'
import { requestedApi } from '../../src/oidc/policy/requested-api.ts'

const orders = 'https://orders.example.com'
const stock = 'https://stock.example.com'

const none = {}
const one = { [orders]: ['read', 'write'] }
const bare = { [orders]: [] }
const two = { [orders]: ['read', 'write'], [stock]: ['read', 'count'] }

type Row = [
  who: 'machine' | 'person',
  apis: Record<string, string[]>,
  resource: string | undefined,
  scope: string,
  outcome: string,
]

const userinfo = 'the token for userinfo'

const rows: Row[] = [
  // One API is implied.
  ['machine', one, undefined, '', orders],
  ['machine', one, undefined, 'read', orders],
  ['machine', one, undefined, 'read write', orders],
  ['machine', one, orders, 'write', orders],
  ['machine', bare, undefined, '', orders],
  ['person', one, undefined, '', orders],
  ['person', one, undefined, 'read', orders],
  ['person', one, undefined, 'openid read', orders],
  ['person', one, undefined, 'openid profile email offline_access read write', orders],
  ['person', one, undefined, 'offline_access', orders],
  ['person', one, undefined, 'profile', orders],
  ['person', bare, undefined, '', orders],
  // Unless only the person's identity is asked for.
  ['person', one, undefined, 'openid', userinfo],
  ['person', one, undefined, 'openid profile email', userinfo],
  ['person', one, undefined, 'openid offline_access', userinfo],
  ['person', bare, undefined, 'openid', userinfo],
  ['person', one, orders, 'openid', orders],
  ['person', none, undefined, 'openid email', userinfo],
  ['person', none, undefined, '', userinfo],
  // Several APIs must be told apart.
  ['machine', two, undefined, '', 'invalid_target'],
  ['machine', two, undefined, 'read', 'invalid_target'],
  ['machine', two, undefined, 'count', 'invalid_target'],
  ['machine', two, orders, 'read', orders],
  ['machine', two, stock, '', stock],
  ['person', two, undefined, 'openid', userinfo],
  ['person', two, undefined, '', userinfo],
  ['person', two, stock, 'openid count', stock],
  // Nothing is dropped in silence.
  ['person', two, undefined, 'openid read', 'invalid_scope'],
  ['person', two, undefined, 'openid count', 'invalid_scope'],
  ['person', two, orders, 'openid count', 'invalid_scope'],
  ['person', two, stock, 'write', 'invalid_scope'],
  ['person', one, undefined, 'openid unknown', 'invalid_scope'],
  ['person', one, undefined, 'read unknown', 'invalid_scope'],
  ['person', none, undefined, 'openid groups', 'invalid_scope'],
  ['person', none, undefined, 'openid read', 'invalid_scope'],
  ['machine', one, undefined, 'unknown', 'invalid_scope'],
  ['machine', one, undefined, 'read unknown', 'invalid_scope'],
  ['machine', two, orders, 'count', 'invalid_scope'],
  ['machine', bare, undefined, 'read', 'invalid_scope'],
  ['machine', one, undefined, 'READ', 'invalid_scope'],
  // A machine is nobody's identity.
  ['machine', one, undefined, 'openid', 'invalid_scope'],
  ['machine', one, undefined, 'openid read', 'invalid_scope'],
  ['machine', one, orders, 'offline_access', 'invalid_scope'],
  ['machine', one, orders, 'profile', 'invalid_scope'],
  // Nothing is granted in silence.
  ['machine', none, undefined, '', 'invalid_target'],
  ['machine', none, orders, 'read', 'invalid_target'],
  ['machine', one, stock, '', 'invalid_target'],
  ['machine', one, 'https://unknown.example.com', 'read', 'invalid_target'],
  ['person', one, stock, 'openid read', 'invalid_target'],
  ['person', none, orders, 'openid', 'invalid_target'],
  ['person', two, `${orders}/`, 'read', 'invalid_target'],
  ['person', two, orders.toUpperCase(), 'read', 'invalid_target'],
  ['machine', one, '', '', 'invalid_target'],
  ['machine', one, '__proto__', '', 'invalid_target'],
  ['machine', one, 'constructor', '', 'invalid_target'],
]

const outcomeOf = ([who, apis, resource, scope]: Row) => {
  const scopes = scope.split(' ').filter(Boolean)
  return requestedApi({ apis, openidScopes, isMachine: who === 'machine', resource, scopes })
}

describe('which API a request means', () => {
  it.each(rows)('%s granted %j, resource %p, scope %p: %s', (...row) => {
    const decision = outcomeOf(row)
    expect(decision.ok ? (decision.audience ?? userinfo) : decision.error).toBe(row[4])
  })

  it('is explained when a machine must choose', () => {
    const decision = outcomeOf(['machine', two, undefined, '', ''])
    expect(decision).toMatchObject({ description: expect.stringContaining(`${orders}, ${stock}`) })
  })

  it('is explained when a person’s scope belongs to an API that was not named', () => {
    expect(outcomeOf(['person', two, undefined, 'openid count', ''])).toMatchObject({
      scope: 'count',
      description: expect.stringContaining(`resource=${stock}`),
    })
  })

  it('names the scope that was refused', () => {
    expect(outcomeOf(['machine', one, undefined, 'read unknown', ''])).toMatchObject({ scope: 'unknown' })
  })
})
