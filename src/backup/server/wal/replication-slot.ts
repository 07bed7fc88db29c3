import type { Client } from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../../db/statement.ts';
import { connectForReplication } from '../server-facts.ts';
import type { ServerConnection } from '../server-facts.ts';

/** A slot keeps WAL on the server until it has been received. */
export interface SlotState {
  /** Whether a receiver is connected to it. */
  readonly active: boolean;
  /** The position up to which WAL was received; null: none was. */
  readonly receivedLsn: string | null;
  readonly timeline: number;
  /** Bytes of WAL that the server keeps for the slot. */
  readonly keptBytes: number;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | null;
  /**
   * Bytes that may still be written before the server gives the slot up. Null: without a limit, and the server's disk
   * may fill.
   */
  readonly safeBytes: number | null;
}

/** Makes the slot unless it exists. From then on the server keeps WAL for it. */
export async function ensureSlot(client: Client, slot: string): Promise<void> {
  if (!/^[a-z0-9_]{1,63}$/.test(slot)) {
    throw new Error(
      `${JSON.stringify(slot)} is not the name of a slot: expected lower case letters, digits and _`,
    );
  }
  const { rows } = await client.query<{ status: string | null }>(
    `select wal_status as status from pg_replication_slots where slot_name = ${quoteLiteral(slot)}`,
  );
  const [found] = rows;
  // The server removed WAL that it should have kept. Such a slot never works again, and the missing WAL is a gap.
  if (found?.status === 'lost') await client.query(`DROP_REPLICATION_SLOT ${quoteIdentifier(slot)}`);
  else if (found) return;
  // `pg_receivewal --create-slot` would reserve nothing before its first connection.
  await client.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} PHYSICAL RESERVE_WAL`);
}

/** Asks the server for the state of a slot; null when the slot does not exist. */
export async function readSlot(connection: ServerConnection, slot: string): Promise<SlotState | null> {
  const client = await connectForReplication(connection);
  try {
    return await slotState(client, slot);
  } finally {
    await client.end();
  }
}

/** The same, over an open connection. */
export async function slotState(client: Client, slot: string): Promise<SlotState | null> {
  const { rows } = await client.query<{
    active: boolean;
    received: string | null;
    timeline: number;
    kept: string | null;
    status: string | null;
    safe: string | null;
  }>(`
    select active,
      coalesce((select r.write_lsn from pg_stat_replication r where r.pid = active_pid), restart_lsn)::text as received, (select timeline_id from pg_control_checkpoint()) as timeline,
      pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as kept, wal_status as status, safe_wal_size as safe
    from pg_replication_slots where slot_name = ${quoteLiteral(slot)}`);
  const [found] = rows;
  return found
    ? {
        active: found.active,
        receivedLsn: found.received,
        timeline: found.timeline,
        keptBytes: Math.max(0, Number(found.kept ?? 0)),
        walStatus: found.status,
        safeBytes: found.safe === null ? null : Number(found.safe),
      }
    : null;
}
