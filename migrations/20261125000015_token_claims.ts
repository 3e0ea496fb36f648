// What the tokens of an API tell about an account beyond who it is: roles, groups, entitlements (RFC 9068 section 2.2.3.1), own claims.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE apis ADD token_claims jsonb NOT NULL DEFAULT '{}'`)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE apis DROP token_claims')
}
