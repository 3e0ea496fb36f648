// What an API's tokens tell about an account: rules as data, and which of them may be declared.
import {
  type ClaimedAccount,
  type TokenClaims,
  tokenClaimsOf,
  tokenClaimsProblems,
} from '../../src/apis/token-claims.ts'

const account: ClaimedAccount = {
  email: 'Ann@Staff.Example.com',
  isEmailVerified: true,
  name: 'Ann',
  username: undefined,
  locale: 'de',
  profile: { zoneinfo: 'Europe/Berlin', address: { country: 'DE' } },
  roles: ['owner', 'support'],
}

describe('an API that asks', () => {
  it.each<[string, TokenClaims, object]>([
    ['for nothing is told nothing', {}, {}],
    ['for no roles is told none', { roles: [] }, {}],
    ['for all roles', { roles: 'all' }, { roles: ['owner', 'support'] }],
    ['for some is told those that the account has', { roles: ['support', 'sales'] }, { roles: ['support'] }],
    ['for others is told none', { roles: ['sales'] }, {}],
    [
      'for roles by other names, groups and entitlements',
      {
        roles: ['support'],
        rules: [
          { claim: 'roles', value: 'admin', role: 'owner' },
          { claim: 'roles', value: 'support', role: 'support' },
          { claim: 'groups', value: 'desk', role: 'support' },
          { claim: 'groups', value: 'staff', emailDomain: 'staff.example.com' },
          { claim: 'entitlements', value: 'export', role: 'sales' },
        ],
      },
      { roles: ['support', 'admin'], groups: ['desk', 'staff'] },
    ],
    ['for a domain above', { rules: [{ claim: 'groups', value: 'x', emailDomain: 'example.com' }] }, {}],
    [
      'for claims of its own, as far as they are there',
      {
        claims: {
          mail: 'account.email',
          zone: 'account.profile.zoneinfo',
          country: 'account.profile.address.country',
          city: 'account.profile.address.locality',
          nick: 'account.username',
          deeper: 'account.profile.zoneinfo.length',
          strange: 'account.profile.constructor',
        },
      },
      { mail: 'Ann@Staff.Example.com', zone: 'Europe/Berlin', country: 'DE' },
    ],
  ])('%s', (_, rules, told) => {
    expect(tokenClaimsOf(rules, account)).toEqual(told)
  })

  it('is told no group of an address that nobody has verified', () => {
    const rules: TokenClaims = { rules: [{ claim: 'groups', value: 'staff', emailDomain: 'staff.example.com' }] }
    expect(tokenClaimsOf(rules, { ...account, isEmailVerified: false })).toEqual({})
  })
})

describe('declaring what tokens tell', () => {
  it('takes what is good', () => {
    const good: TokenClaims = {
      roles: ['a-role', 'other_role'],
      rules: [{ claim: 'entitlements', value: 'urn:x:export', role: 'owner' }],
      claims: { 'https://example.com/zone': 'account.profile.zoneinfo', email: 'account.email' },
    }
    expect(tokenClaimsProblems(good)).toEqual([])
  })

  it.each<[string, TokenClaims]>([
    ['a role that is no name', { roles: ['a b'] }],
    ['another claim', { rules: [{ claim: 'scope' as never, value: 'x', role: 'y' }] }],
    ['a value with spaces', { rules: [{ claim: 'roles', value: 'x y', role: 'y' }] }],
    ['a rule without a condition', { rules: [{ claim: 'roles', value: 'x' }] }],
    ['a rule with two', { rules: [{ claim: 'roles', value: 'x', role: 'y', emailDomain: 'a.example' }] }],
    ['a domain that is none', { rules: [{ claim: 'roles', value: 'x', emailDomain: '@example.com' }] }],
    ['every domain', { rules: [{ claim: 'roles', value: 'x', emailDomain: 'com' }] }],
    ...['sub', 'act', 'cnf', 'scope', 'roles', 'client_id', 'exp', '__proto__', 'a b', ''].map(
      (name): [string, TokenClaims] => [`the claim ${name}`, { claims: Object.fromEntries([[name, 'account.email']]) }],
    ),
    ...[
      'account',
      'account.sub',
      'account.roles',
      'account.passwordHash',
      'account.profile',
      'account.profile.a.b.c',
      'x',
      'constructor',
    ].map((place): [string, TokenClaims] => [`a claim from ${place}`, { claims: { x: place } }]),
    [
      'too many rules',
      { rules: Array.from({ length: 101 }, () => ({ claim: 'roles' as const, value: 'x', role: 'y' })) },
    ],
    [
      'too many claims',
      { claims: Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`c${at}`, 'account.email'])) },
    ],
  ])('refuses %s', (_, wrong) => {
    expect(tokenClaimsProblems(wrong).length).toBeGreaterThan(0)
  })
})
