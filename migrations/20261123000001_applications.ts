// Applications: the APIs (resource servers) with their scopes, and the clients with their secrets and what they were granted.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE apis (
      audience text PRIMARY KEY,
      name text NOT NULL,
      token_format text NOT NULL DEFAULT 'jwt' CHECK (token_format IN ('jwt', 'opaque')),
      token_ttl integer NOT NULL DEFAULT 600 CHECK (token_ttl BETWEEN 10 AND 86400),
      signing_alg text NOT NULL DEFAULT 'ES256' CHECK (signing_alg IN ('ES256', 'RS256', 'PS256', 'EdDSA')),
      built_in boolean NOT NULL DEFAULT false,
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE api_scopes (
      audience text NOT NULL REFERENCES apis ON UPDATE CASCADE ON DELETE CASCADE,
      scope text NOT NULL,
      description text NOT NULL DEFAULT '',
      PRIMARY KEY (audience, scope)
    );
    CREATE TABLE clients (
      -- Disjoint from every account's sub, so that no machine is ever taken for a person (RFC 9700 section 4.15).
      client_id text PRIMARY KEY CHECK (client_id ~ '^(client_|gatehouse-)'),
      kind text NOT NULL CHECK (kind IN ('web', 'spa', 'native', 'machine')),
      name text NOT NULL,
      first_party boolean NOT NULL DEFAULT false,
      pkce_required boolean NOT NULL DEFAULT true,
      dynamically_registered boolean NOT NULL DEFAULT false,
      built_in boolean NOT NULL DEFAULT false,
      disabled_at timestamptz,
      metadata jsonb NOT NULL DEFAULT '{}',
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE client_secrets (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      secret_digest bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz
    );
    CREATE INDEX ON client_secrets (client_id);
    CREATE TABLE client_apis (
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      audience text NOT NULL REFERENCES apis ON UPDATE CASCADE ON DELETE CASCADE,
      PRIMARY KEY (client_id, audience)
    );
    CREATE INDEX ON client_apis (audience);
    CREATE TABLE client_scopes (
      client_id text NOT NULL,
      audience text NOT NULL,
      scope text NOT NULL,
      PRIMARY KEY (client_id, audience, scope),
      FOREIGN KEY (client_id, audience) REFERENCES client_apis ON UPDATE CASCADE ON DELETE CASCADE,
      FOREIGN KEY (audience, scope) REFERENCES api_scopes ON UPDATE CASCADE ON DELETE CASCADE
    );
    CREATE INDEX ON client_scopes (audience, scope);
    CREATE TABLE api_introspection_clients (
      audience text NOT NULL REFERENCES apis ON UPDATE CASCADE ON DELETE CASCADE,
      client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
      PRIMARY KEY (audience, client_id)
    );
    CREATE INDEX ON api_introspection_clients (client_id);

    -- Every node caches clients and APIs; a change, by whatever hand, reaches them all.
    CREATE FUNCTION gatehouse_announce_client() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('gatehouse', 'client:' || coalesce(NEW.client_id, OLD.client_id));
      RETURN NULL;
    END $$;
    CREATE FUNCTION gatehouse_announce() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('gatehouse', TG_ARGV[0]);
      RETURN NULL;
    END $$;
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON clients FOR EACH ROW EXECUTE FUNCTION gatehouse_announce_client();
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON client_secrets FOR EACH ROW EXECUTE FUNCTION gatehouse_announce_client();
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON client_apis FOR EACH ROW EXECUTE FUNCTION gatehouse_announce_client();
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON client_scopes FOR EACH ROW EXECUTE FUNCTION gatehouse_announce_client();
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON apis FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('apis');
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON api_scopes FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('apis');
    CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON api_introspection_clients FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('apis');
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE api_introspection_clients, client_scopes, client_apis, client_secrets, clients, api_scopes, apis;
    DROP FUNCTION gatehouse_announce_client, gatehouse_announce;
  `)
}
