import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
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
  const store = backupLocation(values, isServer ? null : path.join(path.dirname(dataDirectory), 'backups'));
  return {
    store,
    encryptionKey: encryptionKey(values, store),
    signingKey: signingKey(values),
    publicKeys: publicKeys(values),
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
  const [, bucket = '', prefix = ''] = /^s3:\/\/([a-z0-9.-]{3,63})(?:\/+(.*?))?[/]*$/.exec(value) ?? [];
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

/** Whoever keeps an object storage reads what is in it, so there the key is left out on purpose only. */
function encryptionKey(values: OptionValues, store: BackupLocation | null): Secret | null {
  const value = values.text('BACKUP_ENCRYPTION_KEY');
  if (value === 'none') return null;
  if (value === '') {
    if (store?.kind === 's3') {
      values.problems.push(
        'BACKUP_STORE is not on this machine and BACKUP_ENCRYPTION_KEY is not set; make a key with openssl rand -hex 32 and keep a copy elsewhere, or set it to none, and whoever reads the store reads every row',
      );
    }
    return null;
  }
  if (!/^[0-9a-f]{64}$/i.test(value) && !/^[A-Za-z0-9+/]{43}=$/.test(value)) {
    values.problems.push(
      'BACKUP_ENCRYPTION_KEY must be 32 bytes in hex or base64, or none; make one with: openssl rand -hex 32',
    );
  }
  return new Secret(value);
}

function signingKey(values: OptionValues): KeyObject | null {
  const value = values.text('BACKUP_SIGNING_KEY');
  if (value === '') return null;
  const key = readKey(value, 'private');
  if (key === null) {
    values.problems.push(
      'BACKUP_SIGNING_KEY must be a private Ed25519 key, as PEM or its base64 on one line; make one with: openssl genpkey -algorithm ed25519',
    );
  }
  return key;
}

function publicKeys(values: OptionValues): KeyObject[] {
  const keys: KeyObject[] = [];
  for (const value of separateKeys(values.text('BACKUP_PUBLIC_KEY'))) {
    const key = readKey(value, 'public');
    if (key !== null) keys.push(key);
    else {
      values.problems.push(
        'BACKUP_PUBLIC_KEY must be public Ed25519 keys, as PEM or their base64, with commas between; lightning status prints the one of BACKUP_SIGNING_KEY',
      );
    }
  }
  return keys;
}

/** PEM has neither commas nor anything after its last line, so several may follow each other. */
function separateKeys(text: string): string[] {
  return text
    .replaceAll(/(-----END [A-Z ]+-----)/g, '$1,')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Null: it is not an Ed25519 key of this kind. The base64 of PEM is DER: PKCS #8 or SubjectPublicKeyInfo. */
function readKey(text: string, kind: 'private' | 'public'): KeyObject | null {
  // A private key is read as its public half, too, and has no business here.
  if (kind === 'public' && text.includes('PRIVATE')) return null;
  try {
    const der = text.includes('-----') ? null : Buffer.from(text, 'base64');
    const key =
      kind === 'private'
        ? createPrivateKey(der === null ? text : { key: der, format: 'der', type: 'pkcs8' })
        : createPublicKey(der === null ? text : { key: der, format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    return null;
  }
}
