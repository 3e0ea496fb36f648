// Second factors and passkeys.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE totp_authenticators (
      sub text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
      sealed_secret text NOT NULL,
      -- The fingerprint of the key that it is sealed under: what is under an older one is sealed anew.
      sealing_key text NOT NULL,
      -- The last time step (RFC 6238) whose code was accepted: each is accepted once.
      last_step bigint NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz
    );
    CREATE INDEX ON totp_authenticators (sealing_key);
    CREATE TABLE recovery_codes (
      key bytea PRIMARY KEY,
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      used_at timestamptz
    );
    CREATE INDEX ON recovery_codes (sub);
    CREATE TABLE passkeys (
      -- As WebAuthn has it, in base64url.
      credential_id text PRIMARY KEY,
      id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      public_key bytea NOT NULL,
      sign_count bigint NOT NULL,
      transports text[] NOT NULL DEFAULT '{}',
      name text NOT NULL,
      -- Kept by a provider for several devices, or bound to one.
      multi_device boolean NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz
    );
    CREATE INDEX ON passkeys (sub);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE passkeys, recovery_codes, totp_authenticators')
}
