import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

/** A moment of the database, and the number of agents at exactly that moment. */
export interface Point {
  /** ISO 8601, in milliseconds. */
  readonly time: string;
  readonly lsn: string;
  readonly agents: number;
}

/**
 * Locks the agents for the moment: every earlier writer has committed, and no other writes. `adminUrl` is a
 * superuser's.
 */
export async function exactPoint(adminUrl: string): Promise<Point> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table app_public.agents in share mode');
    const { rows } = await client.query<{ time: Date; lsn: string; agents: string }>(
      'select clock_timestamp() as time, pg_current_wal_insert_lsn() as lsn, (select count(*) from app_public.agents) as agents',
    );
    // Times have a resolution of one millisecond.
    await sleep(2);
    await client.query('commit');
    const [row] = rows;
    if (!row) throw new Error('no row');
    return { time: new Date(row.time.getTime() + 1).toISOString(), lsn: row.lsn, agents: Number(row.agents) };
  } finally {
    await client.end();
  }
}
