import type { Client } from 'pg';
import { line } from '../../status-line.ts';
import type { StatusLine } from '../../status-line.ts';
import { storeLines } from '../store/store-lines.ts';
import type { ServerBackupsOptions } from './server-backups-options.ts';
import { connectForReplication, serverFacts } from './server-facts.ts';
import { slotState } from './wal/replication-slot.ts';
import type { SlotState } from './wal/replication-slot.ts';

/** The most WAL that a healthy receiver leaves on the server: a few segments. */
const usualLagBytes = 256 * 1024 * 1024;

/** Whether the server can be backed up and its WAL is received, checked over a real replication connection. */
export async function serverStatusLines(options: ServerBackupsOptions): Promise<StatusLine[]> {
  const store = await storeLines(options.openVault);
  let client: Client;
  try {
    client = await connectForReplication(options.connection);
  } catch (error) {
    // The message of a refusal says how to fix it.
    return [...store, line('replication', false, messageOf(error), 'see docs/backup.md')];
  }
  try {
    const facts = await serverFacts(client);
    const slot = await slotState(client, options.slot);
    const { rows } = await client.query<{ keep: string }>(
      "select current_setting('max_slot_wal_keep_size') as keep",
    );
    return [
      ...store,
      line('replication', true, `connected, timeline ${facts.timeline}`),
      line(
        'tablespaces',
        facts.tablespaces.length === 0,
        facts.tablespaces.join(', ') || 'none of its own',
        'move what is in them to pg_default and drop them: backups do not carry them',
      ),
      await programsLine(options, facts.major),
      slotLine(options.slot, slot),
      line(
        'max_slot_wal_keep_size',
        rows[0]?.keep !== '-1',
        rows[0]?.keep === '-1' ? 'no limit: a dead receiver fills the disk' : (rows[0]?.keep ?? ''),
        "alter system set max_slot_wal_keep_size = '20GB' (what its disk can spare); then select pg_reload_conf()",
      ),
    ];
  } finally {
    await client.end();
  }
}

async function programsLine({ findPrograms }: ServerBackupsOptions, major: number): Promise<StatusLine> {
  try {
    const { binDirectory, version } = await findPrograms(major);
    return line('backup programs', true, `${version} in ${binDirectory}`);
  } catch (error) {
    return line('backup programs', false, messageOf(error), 'install them, or set BACKUP_BIN_DIR');
  }
}

function slotLine(name: string, slot: SlotState | null): StatusLine {
  if (!slot) return line('WAL', false, `no slot ${name}: nobody has received WAL yet`, 'run lightning work');
  const kept = `${Math.ceil(slot.keptBytes / 1_000_000)} MB wait on the server`;
  if (slot.walStatus === 'lost') {
    return line(
      'WAL',
      false,
      `the server gave slot ${name} up: there is a gap`,
      'run lightning backup --full',
    );
  }
  return line(
    'WAL',
    slot.active && slot.keptBytes < usualLagBytes,
    `${slot.active ? 'received' : 'NOT received'} up to ${slot.receivedLsn ?? 'nothing yet'}, ${kept}`,
    slot.active ? 'see whether the store takes what lightning work receives' : 'run lightning work',
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
