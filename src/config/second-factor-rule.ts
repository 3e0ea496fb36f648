// Reads the rule for second factors, and says what it asks of one person.
export type SecondFactorDemand = 'off' | 'optional' | 'required'

/**
 * `off`, `optional` (asked from whoever has one), `required` (from everybody), or `required-for:owner,support` (from whoever
 * has one of these roles; optional for all others).
 */
export type SecondFactorRule = string

export const isSecondFactorRule = (text: string): boolean =>
  /^(off|optional|required|required-for:[\w-]{1,64}(,[\w-]{1,64}){0,31})$/.test(text)

export const rolesIn = (rule: SecondFactorRule): string[] => /^required-for:(.+)$/.exec(rule)?.[1]?.split(',') ?? []

export function demandOf(rule: SecondFactorRule, roles: readonly string[]): SecondFactorDemand {
  if (rule === 'off' || rule === 'required') return rule
  return rolesIn(rule).some((role) => roles.includes(role)) ? 'required' : 'optional'
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

/** Whether a client's rule asks for less than the deployment's, of somebody with these roles; and whether that counts. */
export function weakening(
  deployment: SecondFactorRule,
  client: SecondFactorRule,
  roles: readonly string[],
): 'none' | 'without_effect' | 'in_effect' {
  const general = strength[demandOf(deployment, roles)]
  if (strength[demandOf(client, roles)] >= general) return 'none'
  return strength[combinedDemand(deployment, client, roles)] < general ? 'in_effect' : 'without_effect'
}

const maximum = (left: SecondFactorDemand, right: SecondFactorDemand) =>
  strength[left] >= strength[right] ? left : right
