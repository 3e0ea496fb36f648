// Mail that waits to be sent. What a message says is sealed: it holds links that let somebody in.
import type { Knex } from 'knex'

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE mail_queue (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      -- Null once it was sent, but in development, where the mailbox page shows it.
      sealed_message text,
      -- uncertain: the connection broke after the message was handed over. It is not sent again: never twice.
      state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'handed_over', 'sent', 'failed', 'uncertain')),
      attempts integer NOT NULL DEFAULT 0,
      next_attempt_at timestamptz NOT NULL DEFAULT now(),
      claimed_until timestamptz,
      last_error text,
      created_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz
    );
    CREATE INDEX ON mail_queue (next_attempt_at) WHERE state = 'queued';
    CREATE INDEX ON mail_queue (claimed_until) WHERE state = 'handed_over';
    CREATE INDEX ON mail_queue (created_at);
    -- The development mailbox: empty in production.
    CREATE INDEX mail_queue_mailbox ON mail_queue (created_at) WHERE state = 'sent' AND sealed_message IS NOT NULL;
    CREATE TRIGGER announce AFTER INSERT ON mail_queue FOR EACH STATEMENT EXECUTE FUNCTION gatehouse_announce('mail');
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE mail_queue')
}
