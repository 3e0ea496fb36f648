// Keeps all exchange policies and trusted issuers in memory; there are few, and every change drops them by notification.
import type { Database } from '../../database/database.ts'
import type { ExchangePolicy, ExchangePolicyStore } from './exchange-policy-store.ts'
import type { TrustedIssuer, TrustedIssuerStore } from './trusted-issuer-store.ts'

export interface ExchangeRulesCacheParts {
  policies: Pick<ExchangePolicyStore, 'list'>
  issuers: Pick<TrustedIssuerStore, 'list'>
  database: Pick<Database, 'independently'>
  /** While notifications do not arrive, what was read is believed for a second only. */
  isListening(): boolean
  now(): number
}

interface Rules {
  byClient: Map<string, ExchangePolicy[]>
  issuers: Map<string, TrustedIssuer>
}

const most = 100_000
const trustWithoutNotifications = 1000

export type ExchangeRulesCache = ReturnType<typeof createExchangeRulesCache>

export function createExchangeRulesCache(parts: ExchangeRulesCacheParts) {
  const { policies, issuers, database, isListening, now } = parts
  let loaded: { rules: Promise<Rules>; at: number } | undefined
  let lastKnown: { rules: Rules; order: number } | undefined
  let loads = 0

  const load = async (): Promise<Rules> => {
    // Outside any transaction: what one request has not committed yet must not reach the others.
    const [all, trusted] = await database.independently(() =>
      Promise.all([policies.list({ limit: most }), issuers.list({ limit: most })]),
    )
    return {
      byClient: Map.groupBy(all, ({ clientId }) => clientId),
      issuers: new Map(trusted.map((issuer) => [issuer.issuer, issuer])),
    }
  }

  const all = (): Promise<Rules> => {
    if (loaded && (isListening() || now() - loaded.at < trustWithoutNotifications)) return loaded.rules
    loads += 1
    const order = loads
    const entry = { rules: load(), at: now() }
    loaded = entry
    entry.rules.then(
      (rules) => {
        // Dropped meanwhile or not: nothing newer is known.
        if (order > (lastKnown?.order ?? 0)) lastKnown = { rules, order }
      },
      () => {
        if (loaded === entry) loaded = undefined
      },
    )
    return entry.rules
  }

  return {
    policiesOf: async (clientId: string): Promise<ExchangePolicy[]> => (await all()).byClient.get(clientId) ?? [],
    findIssuer: async (issuer: string): Promise<TrustedIssuer | undefined> => (await all()).issuers.get(issuer),
    /** Whether anybody may exchange anything, as last known: whoever asks must not wait for a database. */
    isInUse: (): boolean => {
      all().catch(() => undefined)
      return (lastKnown?.rules.byClient.size ?? 0) > 0
    },
    warm: async (): Promise<void> => {
      await all()
    },
    clear: (): void => {
      loaded = undefined
    },
  }
}
