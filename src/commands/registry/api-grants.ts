// Reads `--audience URI --scope S…` from left to right: a scope counts for the audience that precedes it, or for the only one.
import type { Command } from 'commander'
import { UsageError } from '../refusals.ts'

export interface ApiGrants {
  /** Scopes by audience; undefined when neither option was given. `only` is what a lone scope counts for without an audience. */
  granted(only?: string[]): Record<string, string[]> | undefined
}

export function apiGrants(command: Command): ApiGrants {
  const granted = new Map<string, string[]>()
  const early: string[] = []
  let current: string[] | undefined

  const addAudience = (audience: string, before: string[] = []) => {
    current = granted.get(audience) ?? []
    granted.set(audience, current)
    return [...before, audience]
  }
  const addScope = (scope: string, before: string[] = []) => {
    const target = current ?? early
    target.push(scope)
    return [...before, scope]
  }
  command
    .option('--audience <uri>', 'an API that it may get tokens for (repeatable)', addAudience)
    .option('--scope <scope>', 'a scope of the --audience before it, or of the only one (repeatable)', addScope)

  return {
    granted: (only = []) => {
      if (granted.size === 0 && early.length === 0) return undefined
      if (granted.size === 0) for (const audience of only) granted.set(audience, [])
      const [first] = granted.values()
      if (early.length > 0) {
        if (!first || granted.size > 1) throw new UsageError(unclear(early, granted.size))
        first.unshift(...early)
      }
      return Object.fromEntries(granted)
    },
  }
}

const unclear = ([scope]: string[], audiences: number) =>
  audiences === 0
    ? `--scope ${scope} needs an --audience that it belongs to.`
    : `--scope ${scope} stands before several audiences: write it behind the --audience that it belongs to.`
