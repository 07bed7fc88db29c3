import type { Client } from 'pg';
import { receiveWal } from './receive-wal.ts';
import type { ReceiveOptions, Receiving } from './receive-wal.ts';
import { ensureSlot, slotState } from './replication-slot.ts';

/**
 * Receives WAL for work that needs it in the store, when nobody else does. Makes the slot if it is missing. Null: another
 * process receives. The caller stops the receiver. `client` is a connection of the replication protocol.
 */
export async function receiveMeanwhile(client: Client, options: ReceiveOptions): Promise<Receiving | null> {
  const { slot, log } = options;
  await ensureSlot(client, slot);
  if ((await slotState(client, slot))?.active) return null;
  log({
    level: 'info',
    event: 'wal-received-here',
    message: 'no worker receives WAL: it is received here meanwhile',
  });
  return receiveWal(options);
}
