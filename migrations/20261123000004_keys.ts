// Signing keys with the times that decide what they do, and what one deployment has in common.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE signing_keys (
      kid text PRIMARY KEY,
      alg text NOT NULL CHECK (alg IN ('ES256', 'RS256', 'PS256', 'EdDSA')),
      public_jwk jsonb NOT NULL,
      sealed_private_jwk text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      signs_from timestamptz NOT NULL,
      retires_at timestamptz
    );
    CREATE INDEX ON signing_keys (alg, signs_from);
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('keys');

    CREATE TABLE deployment (
      name text PRIMARY KEY,
      value text NOT NULL
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE deployment, signing_keys')
}
