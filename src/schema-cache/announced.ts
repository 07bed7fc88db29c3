import type { Database } from '../db/database.ts';
import { sql } from '../db/statement.ts';

/**
 * Whether the database itself notifies the channel of every DDL change: an event trigger does, whose function names the
 * channel and notifies (ours is in sql/database.sql; PostgREST, Automatic Schema Cache Reloading).
 */
export async function isAnnounced(database: Database, channel: string): Promise<boolean> {
  const { rows } = await database.query<{ announced: boolean }>(
    sql`select exists (
          select from pg_catalog.pg_event_trigger t
          join pg_catalog.pg_proc p on p.oid = t.evtfoid
          where t.evtevent = 'ddl_command_end' and t.evtenabled in ('O', 'A') and t.evttags is null
            and p.prosrc ilike '%notify%' and position(${channel}::text in p.prosrc) > 0
        ) as announced`,
  );
  return rows[0]!.announced;
}
