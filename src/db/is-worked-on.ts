import { DatabaseError } from 'pg';
import { BoundedClient } from './bounded-client.ts';
import { ConnectionWatch } from './connection-watch.ts';
import type { IsWorkedOn } from './connection-watch.ts';

/**
 * Asks the server over another connection. `no` also when no other connection can be had. `unknown` behind a
 * pooler, whose connections are not the server's, and when the server does not let us ask.
 */
export const isWorkedOn: IsWorkedOn = async (silent) => {
  const { config, limits, processId } = silent;
  // These statements have a time limit, so the server is never asked about them.
  const watch = new ConnectionWatch(async () => 'unknown');
  const client = new BoundedClient(config, { ...limits, statementTimeoutMs: limits.silenceMs }, watch);
  // An error after the connection was made fails the statement as well.
  client.on('error', () => {});
  try {
    await client.connect();
    // The login may see its other sessions; a role that it has taken may not.
    await client.query('set role none');
    const { rows } = await client.query<Answer>(
      `select pg_catalog.pg_backend_pid() as own, a.pid, a.state, coalesce(a.wait_event = 'ClientRead', false) as listens
       from (select $1::integer as pid) asked left join pg_catalog.pg_stat_activity a using (pid)`,
      [processId],
    );
    const [answer] = rows;
    if (!answer || answer.own !== client.processId) return 'unknown';
    if (answer.pid === null) return 'no';
    // The state is hidden from this login, or not tracked.
    if (answer.state === null || answer.state === 'disabled') return 'unknown';
    // In the middle of a statement the server listens for the rest of our message.
    return answer.state === 'active' && !answer.listens ? 'yes' : 'no';
  } catch (error) {
    // Too many connections, for instance: a server that says so is alive.
    return error instanceof DatabaseError ? 'unknown' : 'no';
  } finally {
    await client.end().catch(() => {});
  }
};

interface Answer {
  readonly own: number;
  readonly pid: number | null;
  readonly state: string | null;
  readonly listens: boolean;
}
