import type { Client } from 'pg';
import { listManifests } from '../backup/manifest.ts';
import { configuredBackups } from '../backup/server/configured-programs.ts';
import type { ConfiguredBackups } from '../backup/server/configured-programs.ts';
import { slotState } from '../backup/server/wal/replication-slot.ts';
import type { SlotState } from '../backup/server/wal/replication-slot.ts';
import { connectForReplication, serverFacts } from '../backup/server/server-facts.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/** WAL that a receiver which is well leaves on the server: a few segments. */
const usualLagBytes = 256 * 1024 * 1024;

/** Whether the server can be backed up, and its WAL is received: looked at over a real replication connection. */
export async function backupLines(config: Config): Promise<StatusLine[]> {
  let configured: ConfiguredBackups;
  try {
    configured = await configuredBackups(config);
  } catch (error) {
    return [line('backups', false, messageOf(error), 'see docs/backup.md')];
  }
  const store = await storeLine(config);
  let client: Client;
  try {
    client = await connectForReplication(configured.connection);
  } catch (error) {
    // The message of a refusal says what mends it.
    return [store, line('replication', false, messageOf(error), 'see docs/backup.md')];
  }
  try {
    const facts = await serverFacts(client);
    const slot = await slotState(client, configured.slot);
    const { rows } = await client.query<{ keep: string }>(
      "select current_setting('max_slot_wal_keep_size') as keep",
    );
    return [
      store,
      line('replication', true, `connected, timeline ${facts.timeline}`),
      line(
        'tablespaces',
        facts.tablespaces.length === 0,
        facts.tablespaces.join(', ') || 'none of its own',
        'move what is in them to pg_default and drop them: backups do not carry them',
      ),
      await programsLine(configured, facts.major),
      slotLine(configured.slot, slot),
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

/** Somebody is looking at the screen. */
const storeWaits = { silenceMs: 10_000, attempts: 2, callMs: 20_000 };

/** Whether the store can be listed: what is in it is not read. */
export async function storeLine({ backup }: Config): Promise<StatusLine> {
  try {
    const vault = await openVault(backup, storeWaits);
    const backups = await listManifests(vault);
    return line('backup store', true, `${vault.store.name}, ${backups.length} backups`);
  } catch (error) {
    return line('backup store', false, messageOf(error), 'see docs/backup.md');
  }
}

async function programsLine({ findPrograms }: ConfiguredBackups, major: number): Promise<StatusLine> {
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
