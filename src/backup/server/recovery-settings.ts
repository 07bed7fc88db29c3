import { access, appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quoteLiteral } from '../../db/statement.ts';
import type { NeededWal } from './needed-wal.ts';
import { formatLsn } from './wal-position.ts';

/** Where a restored data directory has its WAL, until its server has replayed it. */
export const walDirectory = 'restored_wal';

/**
 * Lets the server that is started on the directory replay up to the target, and then take writes. Returns what else had to be
 * changed, for people.
 */
export async function writeRecoverySettings(
  directory: string,
  { stopAt, timeline }: { readonly stopAt: NeededWal['stopAt']; readonly timeline: number },
): Promise<readonly string[]> {
  const notes: string[] = [];
  const copy =
    process.platform === 'win32' ? `copy "${walDirectory}\\%f" "%p"` : `cp "${walDirectory}/%f" "%p"`;
  const settings: Record<string, string> = {
    // Relative to the data directory, which may be moved.
    restore_command: copy,
    recovery_target_timeline: String(timeline),
    recovery_target_action: 'promote',
    // Nobody of the old server's standbys listens to this one: its first commit would wait for ever.
    synchronous_standby_names: '',
    ...stopSettings(stopAt),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoteLiteral(value)}`);
  await appendFile(
    join(directory, 'postgresql.auto.conf'),
    ['', '# Written by lightning restore', ...lines, ''].join('\n'),
    { mode: 0o600 },
  );
  await writeFile(join(directory, 'recovery.signal'), '', { mode: 0o600 });
  notes.push('synchronous_standby_names was emptied');
  // Debian keeps the configuration elsewhere, where no base backup reaches.
  if (!(await isThere(join(directory, 'postgresql.conf')))) {
    // Without a hot standby the limits of the old server need not be met while WAL is replayed.
    await writeFile(join(directory, 'postgresql.conf'), 'hot_standby = off\n', { mode: 0o600 });
    notes.push('postgresql.conf was not in the backup: a minimal one was written');
  }
  if (!(await isThere(join(directory, 'pg_hba.conf')))) {
    await writeFile(
      join(directory, 'pg_hba.conf'),
      'local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n',
      {
        mode: 0o600,
      },
    );
    notes.push('pg_hba.conf was not in the backup: one that lets in only this machine was written');
  }
  return notes;
}

function stopSettings(stopAt: NeededWal['stopAt']): Record<string, string> {
  if (stopAt === null) return {};
  return stopAt.kind === 'lsn'
    ? // Before the record that begins there: a position is the end of what was written until then.
      { recovery_target_lsn: formatLsn(stopAt.lsn), recovery_target_inclusive: 'off' }
    : {
        recovery_target_time: stopAt.time.replace('T', ' ').replace('Z', '+00'),
        recovery_target_inclusive: 'on',
      };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
