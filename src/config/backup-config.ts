import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Variables } from '../environment.ts';
import type { BackupConfig, BackupLocation } from './config.ts';
import type { OptionValues } from './option-values.ts';
import { Secret } from './secret.ts';

/** Reads the options for backups. Paths become absolute. */
export function backupConfig(
  values: OptionValues,
  env: Variables,
  dataDirectory: string,
  isServer: boolean,
): BackupConfig {
  return {
    store: backupLocation(values, isServer ? null : path.join(path.dirname(dataDirectory), 'backups')),
    encryptionKey: encryptionKey(values),
    spoolDirectory: path.resolve(values.text('BACKUP_SPOOL_DIR') || path.join(dataDirectory, 'wal-spool')),
    synchronousWal: values.flag('BACKUP_SYNCHRONOUS_WAL'),
    retentionDays: values.integer('BACKUP_RETENTION_DAYS', 1, 3_650),
    drillDirectory: path.resolve(values.text('BACKUP_DRILL_DIR') || tmpdir()),
    binDirectory: values.text('BACKUP_BIN_DIR') === '' ? null : path.resolve(values.text('BACKUP_BIN_DIR')),
    programEnvironment: {
      ...(env['PATH'] !== undefined && { PATH: env['PATH'] }),
      ...(env['HOME'] !== undefined && { HOME: env['HOME'] }),
    },
  };
}

/** `fallback` is the default directory; null: the store has no default. */
function backupLocation(values: OptionValues, fallback: string | null): BackupLocation | null {
  const value = values.text('BACKUP_STORE');
  const endpoint = values.httpUrl('BACKUP_S3_ENDPOINT');
  if (!value.startsWith('s3:')) {
    const directory = value === '' ? fallback : path.resolve(value);
    return directory === null ? null : { kind: 'directory', path: directory };
  }
  const [, bucket = '', prefix = ''] = /^s3:\/\/([a-z0-9.-]{3,63})(?:\/+(.*?))?\/*$/.exec(value) ?? [];
  if (bucket === '' || !/^[A-Za-z0-9._=/-]*$/.test(prefix)) {
    values.problems.push(`BACKUP_STORE is ${JSON.stringify(value)}; expected a bucket as s3://bucket/prefix`);
  }
  const accessKeyId = values.text('AWS_ACCESS_KEY_ID');
  const secretAccessKey = values.text('AWS_SECRET_ACCESS_KEY');
  if ((accessKeyId === '') !== (secretAccessKey === '')) {
    values.problems.push('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set both or neither');
  }
  const credentials = {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    sessionToken: values.secret('AWS_SESSION_TOKEN'),
  };
  return {
    kind: 's3',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region: values.text('BACKUP_S3_REGION'),
    credentials: accessKeyId === '' ? null : credentials,
  };
}

function encryptionKey(values: OptionValues): Secret | null {
  const value = values.text('BACKUP_ENCRYPTION_KEY');
  if (value === '') return null;
  if (!/^[0-9a-f]{64}$/i.test(value) && !/^[A-Za-z0-9+/]{43}=$/.test(value)) {
    values.problems.push(
      'BACKUP_ENCRYPTION_KEY must be 32 bytes in hex or base64; make one with: openssl rand -hex 32',
    );
  }
  return new Secret(value);
}
