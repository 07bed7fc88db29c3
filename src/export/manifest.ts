import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { EnvelopeError, seal, unsealBytes } from '../backup/envelope.ts';
import { signaturePattern } from '../backup/signatures.ts';
import type { BackupKeys } from '../backup/store/open-store.ts';
import { OperationalError } from '../operational-error.ts';

/** An export that cannot be read, or a database that cannot take it. Nothing was changed. */
export class ExportRefused extends OperationalError {
  override name = 'ExportRefused';
}

/** How the files of tables are stored. `sealed`: by zstd and the encryption of backups. */
export type Storage = 'plain' | 'gzip' | 'zstd' | 'sealed';

/** What stands in the files of tables. */
export type Content = 'jsonl' | 'csv';

/**
 * The description of an export. It is written last, and its name holds its SHA-256, so that an edited one does not match its name,
 * and a signature of the name vouches for every file.
 */
export interface Manifest {
  readonly format: typeof formatName;
  readonly version: typeof formatVersion;
  /** Such as `20261127T133000Z-export-3f9a1c`. */
  readonly id: string;
  /** When the snapshot was taken. ISO 8601, UTC. */
  readonly at: string;
  /** The release that wrote it. */
  readonly release: string;
  /** `embedded` or `server`, and the version of Postgres. */
  readonly database: { readonly kind: string; readonly postgres: string };
  /** The schema: every migration that the database had. */
  readonly migrations: readonly { readonly filename: string; readonly hash: string }[];
  /** The tenant whose rows these are; null: every tenant's. */
  readonly tenant: string | null;
  readonly storage: Storage;
  /** Left out: JSON Lines. CSV is for other programs, and is not imported. */
  readonly content?: Content;
  readonly tables: readonly TableFile[];
  /** True: rows and tables are missing on purpose, and what is loaded goes on beside them. */
  readonly part?: boolean;
  /** The last number that each sequence gave, in decimal. */
  readonly sequences: Readonly<Record<string, string>>;
  readonly notCarried: readonly { readonly name: string; readonly reason: string }[];
}

/** A table in an export. */
export interface TableFile {
  /** Such as `app_public.agents`. */
  readonly table: string;
  readonly rows: number;
  /** Size and SHA-256 of the lines, whatever they are stored as. */
  readonly bytes: number;
  readonly sha256: string;
  /** Size and SHA-256 of the file. */
  readonly storedBytes: number;
  readonly storedSha256: string;
  /** The columns of a line, in order. */
  readonly columns: readonly string[];
  /** The columns by which lines are ordered. */
  readonly order: readonly string[];
  /** The condition on its rows, as SQL about `t`; left out: every row is there. */
  readonly condition?: string;
  /** The times of the partitions with rows; left out where the table has no partitions. */
  readonly partitions?: readonly { readonly from: string; readonly to: string }[];
}

/** The value of `format`, by which an export is known. */
export const formatName = 'agent-lightning export';
/** Exports of other versions are refused. */
export const formatVersion = 1;

const longestManifest = 16 * 1024 * 1024;
const label = 'export/manifest';
const namePattern = new RegExp(
  `^(?<name>manifest-(?<sha256>[0-9a-f]{64}))${signaturePattern}\\.(?:json|sealed)$`,
);

/** Whether a file of this name can only be the manifest of an export. */
export function isManifestName(name: string): boolean {
  return namePattern.test(name);
}

/** The name of a table's file: characters that a file system may not like are written as in a URL. */
export function fileOf(table: string, storage: Storage, content: Content = 'jsonl'): string {
  const safe = table.replaceAll(/[^A-Za-z0-9_.-]/g, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`)
      .join(''),
  );
  return `${safe}.${content}${endingOf(storage)}`;
}

/** The end of a file's name that says how it is stored. */
export function endingOf(storage: Storage): string {
  return { plain: '', gzip: '.gz', zstd: '.zst', sealed: '.sealed' }[storage];
}

/** The label under which a table's file is sealed, so that it is worth nothing in another export. */
export function labelOf(id: string, file: string): string {
  return `export/${id}/${file}`;
}

/** The manifest as a file: its name, which is signed if there is a key, and its content. */
export async function manifestFile(
  manifest: Manifest,
  { encryptionKey, signatures }: BackupKeys,
): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const sealed = manifest.storage === 'sealed';
  const bytes = sealed ? await buffer(Readable.from(seal(label, encryptionKey, each(text)))) : text;
  const name = `manifest-${createHash('sha256').update(bytes).digest('hex')}`;
  return { name: `${name}${signatures.suffix(signedName(name))}.${sealed ? 'sealed' : 'json'}`, bytes };
}

/** Reads a manifest by its file's name and content. Rejects with ExportRefused. */
export async function readManifest(
  file: string,
  bytes: Buffer,
  { encryptionKey, signatures }: BackupKeys,
): Promise<Manifest> {
  const { name = '', sha256 = '', signature } = namePattern.exec(file)?.groups ?? {};
  if (bytes.length > longestManifest) {
    throw new ExportRefused(`${file} has ${bytes.length} bytes; expected ${longestManifest} at most`);
  }
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) {
    throw new ExportRefused(`${file} is damaged: its SHA-256 is ${found}: it was edited, or is not whole`);
  }
  if (signatures.checks && !(signature !== undefined && signatures.isGood(signedName(name), signature))) {
    throw new ExportRefused(
      `${file} is not signed by a trusted key: add the public key of whoever wrote it to BACKUP_PUBLIC_KEY, or import with BACKUP_SIGNING_KEY and BACKUP_PUBLIC_KEY empty`,
    );
  }
  const text = file.endsWith('.sealed') ? await unsealed(file, bytes, encryptionKey) : bytes;
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new ExportRefused(`${file} is not JSON`, { cause: error });
  }
  return checked(file, value);
}

/** The purpose stands first, so that a manifest of a backup is never one of an export. */
function signedName(name: string): string {
  return `export/${name}`;
}

async function unsealed(file: string, bytes: Buffer, key: BackupKeys['encryptionKey']): Promise<Buffer> {
  try {
    return await unsealBytes(label, key, bytes);
  } catch (error) {
    throw error instanceof EnvelopeError
      ? new ExportRefused(`${file} cannot be read: ${error.message}`, { cause: error })
      : error;
  }
}

async function* each(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** What an export is, is told by these members. Members that it has beyond them are ignored. */
function checked(file: string, value: unknown): Manifest {
  const manifest = (value ?? {}) as Partial<Record<keyof Manifest, unknown>>;
  if (manifest.format !== formatName) {
    throw new ExportRefused(
      `${file} has the format ${JSON.stringify(manifest.format)}; expected ${JSON.stringify(formatName)}`,
    );
  }
  if (manifest.version !== formatVersion) {
    throw new ExportRefused(
      `${file} has version ${JSON.stringify(manifest.version)} of the format, and this release reads ${formatVersion}`,
    );
  }
  const problem = problemOf(manifest);
  if (problem !== null) throw new ExportRefused(`${file} is not a manifest: ${problem}`);
  return manifest as Manifest;
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isSize: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => check(item));
const hasMembers =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(members).every(([name, check]) => check((value as Record<string, unknown>)[name]));

const ofTable = hasMembers({
  table: isText,
  rows: isSize,
  bytes: isSize,
  sha256: isHash,
  storedBytes: isSize,
  storedSha256: isHash,
  columns: isListOf(isText),
  order: isListOf(isText),
  condition: (value) => value === undefined || isText(value),
  partitions: (value) => value === undefined || isListOf(hasMembers({ from: isText, to: isText }))(value),
});

const members: Readonly<Record<Exclude<keyof Manifest, 'format' | 'version'>, Check>> = {
  id: (value) => typeof value === 'string' && /^\d{8}T\d{6}Z-export-[0-9a-f]{6}$/.test(value),
  at: isText,
  release: isText,
  database: hasMembers({ kind: isText, postgres: isText }),
  migrations: isListOf(hasMembers({ filename: isText, hash: isText })),
  tenant: (value) => value === null || isText(value),
  storage: (value) => ['plain', 'gzip', 'zstd', 'sealed'].includes(value as string),
  content: (value) => [undefined, 'jsonl', 'csv'].includes(value as undefined),
  tables: (value) =>
    isListOf(ofTable)(value) &&
    new Set((value as TableFile[]).map(({ table }) => table)).size === (value as TableFile[]).length,
  part: (value) => value === undefined || value === true,
  sequences: (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((last) => /^\d{1,19}$/.test(String(last))),
  notCarried: isListOf(hasMembers({ name: isText, reason: isText })),
};

function problemOf(manifest: Partial<Record<keyof Manifest, unknown>>): string | null {
  const wrong = Object.entries(members).find(([name, check]) => !check(manifest[name as keyof Manifest]));
  return wrong ? `its member ${wrong[0]} is missing, or is not what it should be` : null;
}
