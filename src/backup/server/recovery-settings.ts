import { access, appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quoteLiteral } from '../../db/statement.ts';
import type { ServerSetting } from '../manifest.ts';
import type { NeededWal } from './wal/needed-wal.ts';
import { formatLsn } from './wal/wal-position.ts';

/** Where a restored data directory has its WAL, until its server has replayed it. */
export const walDirectory = 'restored_wal';

export interface RecoverySettings {
  readonly stopAt: NeededWal['stopAt'];
  readonly timeline: number;
  /** What replay needs at least, as `pg_controldata` says it: `max_connections` and its like. */
  readonly limits: Readonly<Record<string, string>>;
  /** What the lost server ran with; undefined: the backup does not say. */
  readonly settings: readonly ServerSetting[] | undefined;
}

/**
 * Lets a server that is started on the directory, in whatever way, replay up to the target and then take writes. Returns what
 * differs from the lost server, for people.
 */
export async function writeRecoverySettings(
  directory: string,
  { stopAt, timeline, limits, settings }: RecoverySettings,
): Promise<readonly string[]> {
  const copy =
    process.platform === 'win32' ? `copy "${walDirectory}\\%f" "%p"` : `cp "${walDirectory}/%f" "%p"`;
  const written: Record<string, string> = {
    // Relative to the data directory, which may be moved.
    restore_command: copy,
    recovery_target_timeline: String(timeline),
    recovery_target_action: 'promote',
    ...targetSettings(stopAt),
    ...ofAnotherServer,
    // Replay does not begin on a server that has less of these than the one that wrote the WAL. Those of the command line are in no
    // file, and whoever starts the new server may not know them.
    ...limits,
    // Then no limit is checked: the server may have got higher ones after its last backup.
    hot_standby: 'off',
  };
  const lines = Object.entries(written).map(([name, value]) => `${name} = ${quoteLiteral(value)}`);
  await appendFile(
    join(directory, 'postgresql.auto.conf'),
    ['', '# Written by lightning restore', ...lines, ''].join('\n'),
    { mode: 0o600 },
  );
  // It would follow another server for ever.
  await rm(join(directory, 'standby.signal'), { force: true });
  await writeFile(join(directory, 'recovery.signal'), '', { mode: 0o600 });
  const notes = [
    'synchronous_standby_names was emptied',
    `postgresql.auto.conf has the limits that replay needs: ${inWords(Object.entries(limits))}`,
  ];
  const hasConfiguration = await isThere(join(directory, 'postgresql.conf'));
  // Debian keeps the configuration elsewhere, where no base backup reaches.
  if (!hasConfiguration) {
    await writeFile(join(directory, 'postgresql.conf'), '', { mode: 0o600 });
    notes.push('postgresql.conf was not in the backup: an empty one was written');
  }
  if (!(await isThere(join(directory, 'pg_hba.conf')))) {
    await writeFile(
      join(directory, 'pg_hba.conf'),
      'local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n',
      { mode: 0o600 },
    );
    notes.push('pg_hba.conf was not in the backup: one that lets in only this machine was written');
  }
  return [...notes, ...lostSettings(settings, new Set(Object.keys(written)), hasConfiguration)];
}

/** What the lost server's file may say that is not for the one in its place: it would wait, follow, or run commands. */
const ofAnotherServer = {
  // Its first commit would wait for ever: nobody of the old server's standbys listens to this one.
  synchronous_standby_names: '',
  primary_conninfo: '',
  primary_slot_name: '',
  recovery_min_apply_delay: '0',
  recovery_end_command: '',
  archive_cleanup_command: '',
} as const;

/**
 * One target, and none that an earlier restore left. The one that is set comes last: Postgres counts a target that is emptied after
 * it as one too many.
 */
function targetSettings(stopAt: NeededWal['stopAt']): Readonly<Record<string, string>> {
  const names = ['', '_name', '_xid', '_time', '_lsn'] as const;
  const none = (chosen?: (typeof names)[number]) =>
    Object.fromEntries(names.filter((name) => name !== chosen).map((name) => [`recovery_target${name}`, '']));
  if (stopAt === null) return none();
  return stopAt.kind === 'lsn'
    ? {
        ...none('_lsn'),
        recovery_target_lsn: formatLsn(stopAt.lsn),
        // Before the record that begins there: a position is the end of what was written until then.
        recovery_target_inclusive: 'off',
      }
    : {
        ...none('_time'),
        recovery_target_time: stopAt.time.replace('T', ' ').replace('Z', '+00'),
        recovery_target_inclusive: 'on',
      };
}

/** What the lost server ran with and the restored directory does not say, a sentence for each place where it stood. */
function lostSettings(
  settings: readonly ServerSetting[] | undefined,
  written: ReadonlySet<string>,
  hasConfiguration: boolean,
): readonly string[] {
  if (settings === undefined) {
    return [
      'the backup, made by an earlier release, does not say what stood on the command line of the lost server: it is not in the directory',
    ];
  }
  const places: [source: ServerSetting['source'], stood: string][] = [
    ['command line', 'on the command line of the lost server stood, and is in no file'],
    ['environment variable', 'from the environment of the lost server came, and is in no file'],
  ];
  if (!hasConfiguration) {
    places.push(['configuration file', 'in its configuration the lost server had, and the new one has not']);
  }
  return places.flatMap(([source, stood]) => {
    const lost = settings.filter((setting) => setting.source === source && !written.has(setting.name));
    return lost.length === 0
      ? []
      : [`${stood}: ${inWords(lost.map(({ name, value }) => [name, value] as const))}`];
  });
}

function inWords(settings: readonly (readonly [name: string, value: string])[]): string {
  return settings.map(([name, value]) => `${name}=${value === '' ? "''" : value}`).join(', ');
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
