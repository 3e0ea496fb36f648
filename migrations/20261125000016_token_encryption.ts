// APIs whose access tokens are encrypted to a key of their own (RFC 9068 section 6, RFC 7516).
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  // A key set, or where one is: { jwks } or { jwksUri }.
  await knex.raw('ALTER TABLE apis ADD encryption jsonb')
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE apis DROP encryption')
}
