import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { ask, overOf } from './ask.ts';

/** What an attacker has: a plain login of an analyst, and a token of a member of the same tenant. */
export interface Attacker {
  /** Another session of the login. */
  connect(): Promise<Client>;
  readonly url: string;
  readonly token: string;
  /** Aborted when the time is over. */
  readonly over: AbortSignal;
  /** Notes that something was refused, ended or throttled. */
  stopped(how: string): void;
}

/** Each goes on until `over`, and starts again when it is ended. */
export const attacks: Readonly<Record<string, (attacker: Attacker) => Promise<void>>> = {
  notifications: (attacker) =>
    repeatedly(attacker, async () => {
      const [holder, other] = await Promise.all([attacker.connect(), attacker.connect()]);
      await holder.query('listen flood');
      await holder.query('begin; select 1');
      const held = endOf(holder);
      while (!attacker.over.aborted)
        await Promise.race([
          held,
          other.query(
            `do $$ begin for i in 1..1000 loop execute format('notify flood, %L', i || repeat('x', 7900)); end loop; end $$`,
          ),
        ]);
    }),
  connections: (attacker) =>
    repeatedly(attacker, async () => {
      for (let n = 0; n < 200; n++) await attacker.connect();
    }),
  memory: (attacker) =>
    withFour(attacker, (client) =>
      client.query(`set work_mem = '1GB'; set hash_mem_multiplier = 1000; set statement_timeout = 0;
        select count(*) from generate_series(1, 3000000) a join generate_series(1, 3000000) b on a = b`),
    ),
  'temporary files': (attacker) =>
    withFour(attacker, (client) =>
      client.query(`set work_mem = '64kB'; set statement_timeout = 0; set transaction_timeout = 0;
        select count(*) from (select i, repeat('x', 500) as x from generate_series(1, 20000000) i order by -i) s`),
    ),
  'messages in the WAL': (attacker) =>
    withFour(attacker, (client) =>
      client.query("select pg_logical_emit_message(true, 'x', repeat('x', 100000000))"),
    ),
  'advisory locks': (attacker) =>
    withFour(attacker, (client) =>
      client.query("select pg_advisory_lock(hashtext('agent_lightning troubles')), pg_sleep(3600)"),
    ),
  'large objects': (attacker) =>
    withFour(attacker, (client) => client.query("select lo_from_bytea(0, repeat('x', 100000000)::bytea)")),
  'notify pgrst': (attacker) =>
    withFour(attacker, async (client) => {
      while (!attacker.over.aborted) await client.query("notify pgrst, 'reload schema'");
    }),
  'a transaction left open': (attacker) =>
    withFour(attacker, async (client) => {
      await client.query(
        'set idle_in_transaction_session_timeout = 0; set transaction_timeout = 0; begin; select count(*) from app_public.tasks',
      );
      await Promise.race([endOf(client), overOf(attacker.over)]);
    }),
  requests: async (attacker) => {
    await Promise.all(
      Array.from({ length: 50 }, () =>
        repeatedly(attacker, async () => {
          const { status } = await ask(attacker, '/rest/v1/tasks?limit=100');
          if (status >= 400) throw new Error(String(status));
        }),
      ),
    );
  },
  streams: async (attacker) => {
    await Promise.all(
      Array.from({ length: 200 }, () =>
        repeatedly(attacker, async () => {
          const response = await fetch(`${attacker.url}/events?topics=tasks`, {
            headers: { authorization: `Bearer ${attacker.token}` },
            signal: attacker.over,
          });
          if (response.status >= 400) throw new Error(String(response.status));
          await response.text();
        }),
      ),
    );
  },
};

async function withFour(attacker: Attacker, act: (client: Client) => Promise<unknown>): Promise<void> {
  await Promise.all(
    Array.from({ length: 4 }, () =>
      repeatedly(attacker, async () => {
        const client = await attacker.connect();
        try {
          await act(client);
        } finally {
          void client.end().catch(() => {});
        }
      }),
    ),
  );
}

/** Does it again and again, and notes why it ended. */
async function repeatedly({ over, stopped }: Attacker, act: () => Promise<unknown>): Promise<void> {
  while (!over.aborted) {
    try {
      await act();
    } catch (error) {
      if (over.aborted) return;
      const code =
        error instanceof Error && 'code' in error && typeof error.code === 'string' ? `${error.code} ` : '';
      stopped(`${code}${error instanceof Error ? error.message : String(error)}`);
      await sleep(50);
    }
  }
}

function endOf(client: Client): Promise<never> {
  return new Promise((_, reject) => {
    client.once('error', reject);
    client.once('end', () => reject(new Error('the session was ended')));
  });
}
