// Seals seeds and recovery codes anew under the newest sealing key, so that an older one can be dropped and locks nobody out.
import type { Database } from '../../database/database.ts'
import type { Sealing } from '../../sealing.ts'
import { createRecoveryCodeStore } from './recovery-code-store.ts'
import { recoveryCodePurpose } from './recovery-codes.ts'
import { totpPurpose } from './totp.ts'
import { createTotpStore } from './totp-store.ts'

interface Parts {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open' | 'fingerprints'>
}

interface Sealed {
  /** Sorts the rows. */
  place: string
  sealed: string
  purpose: string
  replace(resealed: string, sealingKey: string): Promise<unknown>
}

type Listing = (sealingKeys: readonly string[], after: string, limit: number) => Promise<Sealed[]>

const batch = 500

export function createFactorResealing({ database, sealing }: Parts) {
  const [newest = '', ...older] = sealing.fingerprints

  /** False when it cannot be opened: that is no reason to leave the others. */
  const reseal = async ({ sealed, purpose, replace }: Sealed): Promise<boolean> => {
    let resealed: string
    try {
      resealed = sealing.seal(sealing.open(sealed, purpose), purpose)
    } catch {
      return false
    }
    await replace(resealed, newest)
    return true
  }

  const resealAll = async (list: Listing, first: string) => {
    const count = { resealed: 0, unreadable: 0 }
    for (let found = await list(older, first, batch); found.length > 0; ) {
      for (const each of found) count[(await reseal(each)) ? 'resealed' : 'unreadable'] += 1
      found = await list(older, found.at(-1)?.place ?? first, batch)
    }
    return count
  }

  return {
    /** It asks nothing of the database while no older key is configured. Throws, at the end, when something cannot be opened. */
    run: async (): Promise<{ resealed: number }> => {
      if (older.length === 0) return { resealed: 0 }
      const seeds = await resealAll(seedListing(database), '')
      const codes = await resealAll(codeListing(database), '0')
      const unreadable = seeds.unreadable + codes.unreadable
      if (unreadable > 0)
        throw new Error(
          `${unreadable} sealed factors cannot be opened: they were altered, or moved from another account.`,
        )
      return { resealed: seeds.resealed + codes.resealed }
    },
  }
}

function seedListing(database: Database): Listing {
  const store = createTotpStore({ database })
  return async (...given) =>
    (await store.listSealedUnder(...given)).map((seed) => ({
      place: seed.sub,
      sealed: seed.sealedSecret,
      purpose: totpPurpose(seed.sub),
      replace: (resealed, sealingKey) => store.reseal(seed, resealed, sealingKey),
    }))
}

function codeListing(database: Database): Listing {
  const store = createRecoveryCodeStore({ database })
  return async (...given) =>
    (await store.listSealedUnder(...given)).map((code) => ({
      place: code.id,
      sealed: code.sealedDigest,
      purpose: recoveryCodePurpose(code.sub),
      replace: (resealed, sealingKey) => store.reseal(code, resealed, sealingKey),
    }))
}
