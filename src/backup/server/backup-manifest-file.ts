import { BackupDamaged } from '../backup-damaged.ts';

/** The content of Postgres's own `backup_manifest` of a base backup. */
export interface BackupManifestFile {
  /** Decimal. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** The place where replay begins and the earliest place where it may end, such as `0/16B3748`. */
  readonly startLsn: string;
  readonly endLsn: string;
  readonly files: number;
  /** Size of all files as they are on the server. */
  readonly bytes: number;
}

/** Parses a backup_manifest. Throws BackupDamaged, naming `member`, for any other text. */
export function parseBackupManifest(text: string, member: string): BackupManifestFile {
  let parsed: unknown;
  try {
    // System identifiers exceed the integers that a JavaScript number holds exactly.
    parsed = JSON.parse(text.replace(/("System-Identifier":\s*)(\d+)/, '$1"$2"'));
  } catch (error) {
    throw new BackupDamaged(member, 'it is not JSON, or it is cut off', { cause: error });
  }
  const {
    'System-Identifier': systemIdentifier,
    'WAL-Ranges': ranges,
    Files: files,
  } = parsed as {
    'System-Identifier'?: string;
    'WAL-Ranges'?: readonly { Timeline: number; 'Start-LSN': string; 'End-LSN': string }[];
    Files?: readonly { Size: number }[];
  };
  const [range] = ranges ?? [];
  if (systemIdentifier === undefined || range === undefined || ranges?.length !== 1 || files === undefined) {
    throw new BackupDamaged(member, 'it does not say which WAL it needs, of which cluster');
  }
  return {
    systemIdentifier,
    timeline: range.Timeline,
    startLsn: range['Start-LSN'],
    endLsn: range['End-LSN'],
    files: files.length,
    bytes: files.reduce((sum, { Size }) => sum + Size, 0),
  };
}
