// What the engine keeps: grants, sessions, consents, everything that is redeemed once or presented as a bearer, and proofs already seen.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE sessions (
      uid text PRIMARY KEY,
      sub text REFERENCES accounts ON DELETE CASCADE,
      payload jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON sessions (sub);
    CREATE INDEX ON sessions (expires_at);

    -- A session has one row however many tabs renew its cookie; each cookie value is one key to it.
    CREATE TABLE session_keys (
      key bytea PRIMARY KEY,
      uid text NOT NULL REFERENCES sessions ON DELETE CASCADE,
      superseded_at timestamptz,
      superseded_sub text
    );
    CREATE INDEX ON session_keys (uid);
    CREATE INDEX ON session_keys (superseded_at) WHERE superseded_at IS NOT NULL;

    CREATE TABLE grants (
      key bytea PRIMARY KEY,
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      session_uid text,
      offline boolean NOT NULL DEFAULT false,
      payload jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON grants (sub, client_id);
    CREATE INDEX ON grants (client_id);
    CREATE INDEX ON grants (session_uid);
    CREATE INDEX ON grants (expires_at);

    CREATE TABLE consents (
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      openid jsonb NOT NULL DEFAULT '{}',
      resources jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (sub, client_id)
    );
    CREATE INDEX ON consents (client_id);

    -- A token lives only while its grant does: the foreign key makes it so whatever the timing.
    CREATE TABLE artifacts (
      key bytea PRIMARY KEY,
      model text NOT NULL,
      grant_key bytea REFERENCES grants ON DELETE CASCADE,
      client_id text REFERENCES clients ON DELETE CASCADE,
      user_code_key bytea UNIQUE,
      payload jsonb NOT NULL,
      consumed_at timestamptz,
      expires_at timestamptz NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
    CREATE INDEX ON artifacts (grant_key) WHERE grant_key IS NOT NULL;
    CREATE INDEX ON artifacts (client_id) WHERE client_id IS NOT NULL;
    CREATE INDEX ON artifacts (expires_at);

    CREATE TABLE replays (
      key bytea PRIMARY KEY,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON replays (expires_at);

    CREATE TABLE registration_tokens (
      key bytea PRIMARY KEY,
      id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
      uses_left integer CHECK (uses_left >= 0),
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE registration_tokens, replays, artifacts, consents, grants, session_keys, sessions')
}
