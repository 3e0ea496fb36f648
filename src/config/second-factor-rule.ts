// Reads the rule for second factors, and says what it asks of one person.
export type SecondFactorDemand = 'off' | 'optional' | 'required'

/**
 * `off`, `optional` (asked from whoever has one), `required` (from everybody), or `required-for:owner,support` (from whoever
 * has one of these roles; optional for all others).
 */
export type SecondFactorRule = string

export const isSecondFactorRule = (text: string): boolean =>
  /^(off|optional|required|required-for:[\w-]{1,64}(,[\w-]{1,64}){0,31})$/.test(text)

export function demandOf(rule: SecondFactorRule, roles: readonly string[]): SecondFactorDemand {
  if (rule === 'off' || rule === 'required') return rule
  const [, named = ''] = /^required-for:(.+)$/.exec(rule) ?? []
  return named.split(',').some((role) => roles.includes(role)) ? 'required' : 'optional'
}

const strength: Record<SecondFactorDemand, number> = { off: 0, optional: 1, required: 2 }

/** A client's own rule counts for its sign-ins, but never lets somebody off whom the deployment obliges. */
export function combinedDemand(
  deployment: SecondFactorRule,
  client: SecondFactorRule | undefined,
  roles: readonly string[],
): SecondFactorDemand {
  const general = demandOf(deployment, roles)
  if (client === undefined) return general
  const own = demandOf(client, roles)
  return general === 'required' || strength[own] >= strength[general] ? maximum(general, own) : own
}

const maximum = (left: SecondFactorDemand, right: SecondFactorDemand) =>
  strength[left] >= strength[right] ? left : right
