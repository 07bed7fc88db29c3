import { access, appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quoteLiteral } from '../../db/statement.ts';
import type { ServerSetting } from '../manifest.ts';
import type { NeededWal } from './wal/needed-wal.ts';
import { formatLsn } from './wal/wal-position.ts';

/** The folder for WAL in a restored data directory, until its server has replayed it. */
export const walDirectory = 'restored_wal';

export interface RecoverySettings {
  readonly stopAt: NeededWal['stopAt'];
  readonly timeline: number;
  /** The limits that replay needs at least, as `pg_controldata` reports them: `max_connections` and the like. */
  readonly limits: Readonly<Record<string, string>>;
  /** The settings of the lost server; undefined: the backup does not say. */
  readonly settings: readonly ServerSetting[] | undefined;
}

/**
 * Lets any server that is started on the directory replay up to the target and then take writes. Returns the
 * differences from the lost server, as text for people.
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
    // Replay does not begin on a server with lower limits than the one that wrote the WAL. Limits from a command line
    // are in no file, and the operator who starts the new server may not know them.
    ...limits,
    // Without a hot standby Postgres does not check the limits: the server may have got higher ones after its last
    // backup.
    hot_standby: 'off',
  };
  const lines = Object.entries(written).map(([name, value]) => `${name} = ${quoteLiteral(value)}`);
  await appendFile(
    join(directory, 'postgresql.auto.conf'),
    ['', '# Written by lightning restore', ...lines, ''].join('\n'),
    { mode: 0o600 },
  );
  // With this file the server would follow another server for ever.
  await rm(join(directory, 'standby.signal'), { force: true });
  await writeFile(join(directory, 'recovery.signal'), '', { mode: 0o600 });
  const notes = [
    'synchronous_standby_names was emptied',
    `postgresql.auto.conf has the limits that replay needs: ${inWords(Object.entries(limits))}`,
  ];
  const hasConfiguration = await isThere(join(directory, 'postgresql.conf'));
  // Debian keeps the configuration elsewhere, where a base backup does not reach.
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

/**
 * Settings in the lost server's file that are wrong for its replacement: they would make it wait, follow another
 * server, or run commands.
 */
const ofAnotherServer = {
  // With this setting its first commit would wait for ever: the old server's standbys do not listen to this one.
  synchronous_standby_names: '',
  primary_conninfo: '',
  primary_slot_name: '',
  recovery_min_apply_delay: '0',
  recovery_end_command: '',
  archive_cleanup_command: '',
} as const;

/**
 * Sets one target and clears any that an earlier restore left. The one that is set comes last: Postgres counts a
 * target that is emptied after it as one too many.
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
        // Stop before the record that begins there: a position is the end of everything written until then.
        recovery_target_inclusive: 'off',
      }
    : {
        ...none('_time'),
        recovery_target_time: stopAt.time.replace('T', ' ').replace('Z', '+00'),
        recovery_target_inclusive: 'on',
      };
}

/** The lost server's settings that the restored directory lacks: a sentence for each place where they were set. */
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
