// Token exchange (RFC 8693): which client may exchange what for which API, and the issuers outside whose JWTs are taken for it.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE trusted_issuers (
      issuer text PRIMARY KEY,
      -- What its JWTs for this server carry in aud.
      audience text NOT NULL,
      jwks_uri text,
      jwks jsonb,
      -- The claim that names an account here.
      subject_claim text NOT NULL DEFAULT 'sub' CHECK (subject_claim IN ('sub', 'email')),
      created_at timestamptz NOT NULL DEFAULT now(),
      CHECK (num_nonnulls(jwks_uri, jwks) = 1)
    );
    CREATE TABLE token_exchange_policies (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      -- What it may exchange: tokens for an API, tokens issued to a client, or the JWTs of an issuer outside.
      subject_audience text REFERENCES apis ON UPDATE CASCADE ON DELETE CASCADE,
      subject_client_id text REFERENCES clients ON DELETE CASCADE,
      subject_issuer text REFERENCES trusted_issuers ON DELETE CASCADE,
      audience text NOT NULL REFERENCES apis ON UPDATE CASCADE ON DELETE CASCADE,
      token_type text NOT NULL DEFAULT 'access_token' CHECK (token_type IN ('access_token', 'txn_token')),
      scopes text[] NOT NULL DEFAULT '{}',
      max_ttl integer NOT NULL DEFAULT 300 CHECK (max_ttl BETWEEN 1 AND 86400),
      mode text NOT NULL DEFAULT 'delegation' CHECK (mode IN ('delegation', 'impersonation')),
      max_depth integer NOT NULL DEFAULT 1 CHECK (max_depth BETWEEN 0 AND 8),
      created_at timestamptz NOT NULL DEFAULT now(),
      CHECK (num_nonnulls(subject_audience, subject_client_id, subject_issuer) = 1),
      CHECK (mode = 'impersonation' OR max_depth >= 1),
      -- A transaction token names who acts, and is over in a minute.
      CHECK (token_type = 'access_token' OR (mode = 'delegation' AND max_ttl <= 60))
    );
    CREATE UNIQUE INDEX token_exchange_policies_once ON token_exchange_policies
      (client_id, audience, token_type, coalesce(subject_audience, ''), coalesce(subject_client_id, ''), coalesce(subject_issuer, ''));
    CREATE INDEX ON token_exchange_policies (audience);
    CREATE INDEX ON token_exchange_policies (subject_audience) WHERE subject_audience IS NOT NULL;
    CREATE INDEX ON token_exchange_policies (subject_client_id) WHERE subject_client_id IS NOT NULL;
    CREATE INDEX ON token_exchange_policies (subject_issuer) WHERE subject_issuer IS NOT NULL;
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON trusted_issuers FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('exchange');
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON token_exchange_policies FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('exchange');
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE token_exchange_policies, trusted_issuers')
}
