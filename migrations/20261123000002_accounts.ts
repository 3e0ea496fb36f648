// People: accounts, what slows a guesser down, and links that work once.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE accounts (
      sub text PRIMARY KEY CHECK (sub !~ '^(client_|gatehouse-)' AND sub <> '' AND length(sub) <= 255),
      email text NOT NULL,
      email_verified boolean NOT NULL DEFAULT false,
      name text,
      password_hash text,
      password_changed_at timestamptz,
      roles text[] NOT NULL DEFAULT '{}',
      disabled_at timestamptz,
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));
    CREATE TABLE sign_in_throttle (
      key bytea PRIMARY KEY,
      failures integer NOT NULL,
      blocked_until timestamptz NOT NULL,
      updated_at timestamptz NOT NULL
    );
    CREATE INDEX ON sign_in_throttle (updated_at);
    CREATE TABLE one_time_links (
      key bytea PRIMARY KEY,
      purpose text NOT NULL,
      sub text REFERENCES accounts ON DELETE CASCADE,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON one_time_links (expires_at);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE one_time_links, sign_in_throttle, accounts')
}
