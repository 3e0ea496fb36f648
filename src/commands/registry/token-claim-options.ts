// Reads and shows what an API's tokens tell about an account: `--roles`, `--claim-rule`, `--claim`.
import type { ClaimRule, RuledClaim, TokenClaims } from '../../apis/token-claims.ts'
import { UsageError } from '../refusals.ts'

export interface TokenClaimOptions {
  roles?: string
  claimRule?: string[]
  claim?: string[]
}

export const claimRuleHelp =
  'a value of roles, groups or entitlements for some accounts: groups:staff=role:support, groups:us=email:example.com, or none (repeatable)'

const none = 'none'

/** Undefined when none of the options was given. */
export function tokenClaimChanges(options: TokenClaimOptions): { tokenClaims: TokenClaims } | undefined {
  const { roles, claimRule, claim } = options
  if (roles === undefined && claimRule === undefined && claim === undefined) return undefined
  return {
    tokenClaims: {
      roles: roles === undefined ? undefined : rolesIn(roles),
      rules: claimRule && listed(claimRule).map(ruleIn),
      claims: claim && Object.fromEntries(listed(claim).map(claimIn)),
    },
  }
}

const listed = (values: string[]) => values.filter((value) => value !== none)

function rolesIn(text: string): 'all' | string[] {
  if (text === 'all') return text
  return text === none ? [] : text.split(',').filter(Boolean)
}

function ruleIn(text: string): ClaimRule {
  const [, claim, value, kind, name] = /^([a-z]+):(.+)=(role|email):([^=]+)$/.exec(text) ?? []
  if (!claim || !value || !name)
    throw new UsageError(`--claim-rule ${text}: write CLAIM:VALUE=role:ROLE or CLAIM:VALUE=email:DOMAIN.`)
  // Whether there is such a claim, the registration says.
  return { claim: claim as RuledClaim, value, ...(kind === 'role' ? { role: name } : { emailDomain: name }) }
}

function claimIn(text: string): [string, string] {
  const [, name, place] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (!name || !place) throw new UsageError(`--claim ${text}: write NAME=PLACE, such as zone=account.profile.zoneinfo.`)
  return [name, place]
}

export const tokenClaimsJson = ({ roles = [], rules = [], claims = {} }: TokenClaims) => ({
  roles,
  rules: rules.map(({ emailDomain, ...rule }) => ({ ...rule, ...(emailDomain && { email_domain: emailDomain }) })),
  claims,
})

export const tokenClaimsText = ({ roles = [], rules = [], claims = {} }: TokenClaims): string[] => [
  ...(roles.length > 0 ? [`roles: ${[roles].flat().join(', ')}`] : []),
  ...rules.map(
    ({ claim, value, role, emailDomain }) =>
      `${claim}: ${value} for ${role === undefined ? `addresses in ${emailDomain}` : `the role ${role}`}`,
  ),
  ...Object.entries(claims).map(([name, place]) => `${name}: ${place}`),
]
