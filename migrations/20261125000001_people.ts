// People, more of them: what OpenID Connect tells about a person, a second name to sign in by, and what a change of credentials ends.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE accounts
      -- Never an address: what is typed to sign in is the one or the other, and no name may be somebody else's address.
      ADD username text CHECK (username !~ '@'),
      -- Standard claims by their names (OpenID Connect Core section 5.1), beside those that have a column.
      ADD profile jsonb NOT NULL DEFAULT '{}',
      ADD locale text,
      -- Rises whenever a credential changes or everything is signed out: what was begun under an earlier one is over.
      ADD security_version integer NOT NULL DEFAULT 1,
      -- Set with a password that is long enough beside a second factor only.
      ADD password_is_short boolean NOT NULL DEFAULT false,
      ADD email_code_enabled boolean NOT NULL DEFAULT false,
      -- The person asked for deletion; until then a sign-in takes it back.
      ADD delete_after timestamptz;
    CREATE UNIQUE INDEX accounts_username ON accounts (lower(username));
    CREATE INDEX ON accounts (delete_after) WHERE delete_after IS NOT NULL;

    CREATE TABLE password_history (
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      password_hash text NOT NULL,
      replaced_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON password_history (sub, replaced_at);

    -- An address changes when both ends have agreed.
    CREATE TABLE email_changes (
      sub text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
      new_email text NOT NULL,
      -- The session that asked for it stays signed in.
      session_uid text NOT NULL,
      -- Of the account at that time: a change of credentials in between ends it.
      security_version integer NOT NULL,
      old_confirmed_at timestamptz,
      new_confirmed_at timestamptz,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON email_changes (expires_at);

    ALTER TABLE one_time_links
      -- Of the account when the link was made: a link dies with the credentials that it was made under.
      ADD security_version integer,
      ADD details jsonb NOT NULL DEFAULT '{}';
    CREATE INDEX ON one_time_links (sub);

    -- Browsers that a person has signed in with, by a cookie of their own; remembered ones are spared the second factor.
    CREATE TABLE devices (
      key bytea NOT NULL,
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
      user_agent text NOT NULL DEFAULT '',
      address text NOT NULL DEFAULT '',
      created_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      remembered_until timestamptz,
      -- When a second factor was last shown here: with the password alone nobody's browser is trusted with codes.
      factor_shown_at timestamptz,
      PRIMARY KEY (key, sub)
    );
    CREATE INDEX ON devices (sub);
    CREATE INDEX ON devices (last_seen_at);

    -- What happened to an account, for its owner.
    CREATE TABLE account_activity (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      sub text NOT NULL REFERENCES accounts ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      type text NOT NULL,
      address text NOT NULL DEFAULT '',
      user_agent text NOT NULL DEFAULT '',
      details jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX ON account_activity (sub, id);
    CREATE INDEX ON account_activity (at);

    ALTER TABLE sign_in_throttle
      -- What is counted under the key: src/accounts/sign-in/sign-in-throttle-store.ts has the list.
      ADD kind text NOT NULL DEFAULT 'address',
      -- Of the account, if there is one. No foreign key: its check would wait for whoever holds the account's row.
      ADD sub text,
      -- Failures since the last success, never forgotten by the passing of time (NIST SP 800-63B-4 section 3.2.2).
      ADD in_a_row integer NOT NULL DEFAULT 0,
      ADD expires_at timestamptz NOT NULL DEFAULT now() + interval '1 day';
    DROP INDEX sign_in_throttle_updated_at_idx;
    CREATE INDEX ON sign_in_throttle (expires_at);
    CREATE INDEX ON sign_in_throttle (sub) WHERE sub IS NOT NULL;

    -- When mail was asked for, by mailbox and by network: each row holds no more moments than its limits need.
    CREATE TABLE mail_throttle (
      key bytea PRIMARY KEY,
      asked_at timestamptz[] NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON mail_throttle (expires_at);

    ALTER TABLE sessions
      ADD address text NOT NULL DEFAULT '',
      ADD user_agent text NOT NULL DEFAULT '',
      ADD last_seen_at timestamptz NOT NULL DEFAULT now();

    -- With each code and each refresh.
    ALTER TABLE grants ADD last_used_at timestamptz NOT NULL DEFAULT now();

    -- Null: as the deployment has it.
    ALTER TABLE clients ADD second_factor text;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE clients DROP second_factor;
    ALTER TABLE grants DROP last_used_at;
    ALTER TABLE sessions DROP address, DROP user_agent, DROP last_seen_at;
    DROP INDEX sign_in_throttle_sub_idx, sign_in_throttle_expires_at_idx;
    CREATE INDEX ON sign_in_throttle (updated_at);
    ALTER TABLE sign_in_throttle DROP kind, DROP sub, DROP in_a_row, DROP expires_at;
    DROP TABLE mail_throttle, account_activity, devices, email_changes, password_history;
    DROP INDEX one_time_links_sub_idx;
    ALTER TABLE one_time_links DROP security_version, DROP details;
    ALTER TABLE accounts DROP username, DROP profile, DROP locale, DROP security_version, DROP password_is_short,
      DROP email_code_enabled, DROP delete_after;
  `)
}
