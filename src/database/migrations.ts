// The static list of migrations: one line each, the name without extension, so that src/ and dist/ record the same.
import type { Knex } from 'knex'
import * as applications from '../../migrations/20261123000001_applications.ts'
import * as accounts from '../../migrations/20261123000002_accounts.ts'
import * as engine from '../../migrations/20261123000003_engine.ts'
import * as keys from '../../migrations/20261123000004_keys.ts'
import * as people from '../../migrations/20261125000001_people.ts'
import * as factors from '../../migrations/20261125000002_factors.ts'
import * as mail from '../../migrations/20261125000003_mail.ts'
import * as tokenExchange from '../../migrations/20261125000012_token_exchange.ts'
import * as tokenClaims from '../../migrations/20261125000015_token_claims.ts'
import * as tokenEncryption from '../../migrations/20261125000016_token_encryption.ts'

const migrations: Record<string, Knex.Migration> = {
  '20261123000001_applications': applications,
  '20261123000002_accounts': accounts,
  '20261123000003_engine': engine,
  '20261123000004_keys': keys,
  '20261125000001_people': people,
  '20261125000002_factors': factors,
  '20261125000003_mail': mail,
  '20261125000012_token_exchange': tokenExchange,
  '20261125000015_token_claims': tokenClaims,
  '20261125000016_token_encryption': tokenEncryption,
}

export const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => Object.keys(migrations).sort(),
  getMigrationName: (name) => name,
  getMigration: async (name) => {
    const migration = migrations[name]
    if (!migration) throw new Error(`The migration ${name} belongs to another version of Gatehouse.`)
    return migration
  },
}
