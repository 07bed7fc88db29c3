import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Parser } from 'tar';
import type { OnProgress } from '../../on-progress.ts';
import { OperationalError } from '../../operational-error.ts';
import { BackupDamaged } from '../backup-damaged.ts';
import { memberKey } from '../manifest.ts';
import type { Member, ReadManifest } from '../manifest.ts';
import { removeAll } from '../store/remove-all.ts';
import type { StoredObject, Vault } from '../vault.ts';
import { parseBackupManifest } from './backup-manifest-file.ts';
import type { BackupManifestFile } from './backup-manifest-file.ts';
import { connectionEnvironment } from './connection-environment.ts';
import { programFile } from './programs.ts';
import type { ServerPrograms } from './programs.ts';
import type { ServerConnection } from './server-facts.ts';
import { storeParts } from './store-parts.ts';

/** `pg_basebackup` did not make a backup. The message ends with the program's own. */
export class BaseBackupFailed extends OperationalError {
  override name = 'BaseBackupFailed';
  /** Whether an incremental backup failed because the server lacks WAL summaries; a full one may work. */
  readonly lacksSummaries: boolean;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.lacksSummaries = /WAL summaries are required|WAL summarization is not progressing/.test(message);
  }
}

export interface BaseBackupOptions {
  readonly connection: ServerConnection;
  readonly programs: ServerPrograms;
  readonly vault: Vault;
  /** The backup's id, under which its objects are stored. */
  readonly id: string;
  /** The backup to build on; null: make a full one. */
  readonly parent: ReadManifest | null;
  /** As in `storeParts`. */
  readonly partBytes?: number | undefined;
  /** Bytes expected from the server, for the progress; null: unknown. */
  readonly expectedBytes: number | null;
  readonly onProgress?: OnProgress | undefined;
  readonly signal: AbortSignal;
}

/** The stored objects and the facts about them. They become a backup only with its manifest. */
export interface BaseBackup {
  readonly objects: readonly Member[];
  readonly file: BackupManifestFile;
  /** Size of the stream that `pg_basebackup` made. */
  readonly bytes: number;
}

/** How long the server may send nothing; its checkpoint comes before the first byte. */
const silentMs = 600_000;
const silent = `pg_basebackup has had nothing from the server for ${silentMs / 60_000} minutes`;

/** Roles of a base backup's objects. */
export const baseRole = 'base';
export const manifestRole = 'backup_manifest';

/**
 * Streams a base backup into the vault. This machine's disk holds only the parent's backup_manifest, and that for an
 * incremental backup alone. When it rejects, the stored objects are removed again as far as the store allows.
 */
export async function takeBaseBackup(options: BaseBackupOptions): Promise<BaseBackup> {
  const directory = await mkdtemp(join(tmpdir(), 'lightning-backup-'));
  const stored: StoredObject[] = [];
  try {
    const parentFile = options.parent && join(directory, 'backup_manifest');
    if (options.parent && parentFile !== null) await fetchManifest(options.vault, options.parent, parentFile);
    return await stream(options, parentFile, stored);
  } catch (error) {
    await removeAll(
      options.vault.store,
      stored.map(({ key }) => key),
    ).catch(() => {
      // Retention removes the leftovers. The caller needs the reason why the backup failed.
    });
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function stream(
  { connection, programs, vault, id, partBytes, expectedBytes, onProgress, signal }: BaseBackupOptions,
  parentFile: string | null,
  stored: StoredObject[],
): Promise<BaseBackup> {
  const failing = new AbortController();
  const ended = AbortSignal.any([signal, failing.signal]);
  const child = spawn(
    programFile(programs, 'pg_basebackup'),
    [
      '--pgdata=-',
      '--format=tar',
      // The receiver takes care of the WAL.
      '--wal-method=none',
      '--checkpoint=fast',
      '--no-password',
      `--label=agent_lightning ${id}`,
      ...(parentFile === null ? [] : [`--incremental=${parentFile}`]),
    ],
    {
      env: {
        ...programs.environment,
        ...connectionEnvironment(connection.url, connection.ssl, 'agent_lightning base backup'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: ended,
    },
  );
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${String(chunk)}`.slice(-4_000)));
  const exit = new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killedBy) =>
      resolve(code === 0 ? null : `ended with ${killedBy ?? `status ${code}`}`),
    );
  });
  const scan = new ManifestScan();
  let bytes = 0;
  const passing = async function* (): AsyncGenerator<Buffer> {
    const chunks = (child.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (;;) {
      // The timer runs only while the server has to send something: waits for a slow store have limits elsewhere.
      const silence = setTimeout(() => failing.abort(new BaseBackupFailed(silent)), silentMs);
      const { done, value } = await chunks.next().finally(() => clearTimeout(silence));
      if (done) return;
      await scan.write(value);
      yield value;
    }
  };
  try {
    const parts = await storeParts(passing(), {
      vault,
      keyOf: (index) => memberKey(id, `base-${String(index).padStart(5, '0')}`),
      partBytes,
      onStored: (part) => {
        stored.push(part);
        bytes += part.bytes;
        const fraction = expectedBytes === null ? null : Math.min(bytes / expectedBytes, 1);
        onProgress?.(fraction, `${Math.round(bytes / 1_000_000)} MB stored`);
      },
      onFailed: (error) => failing.abort(error),
      signal: ended,
    });
    const why = await exit;
    if (why !== null) throw new BaseBackupFailed(`pg_basebackup ${why}: ${lastLines(said)}`);
    const content = await scan.end();
    const file = parseBackupManifest(content.toString('utf8'), manifestRole);
    const manifest = await vault.write(memberKey(id, manifestRole), content, signal);
    stored.push(manifest);
    const objects = parts.map((part) => ({ ...part, role: baseRole }));
    return { objects: [...objects, { ...manifest, role: manifestRole }], file, bytes };
  } catch (error) {
    failing.abort(error);
    await exit;
    // A part that could not be stored ended the program too, and that is the error to show.
    signal.throwIfAborted();
    throw isAbort(error) ? (failing.signal.reason ?? error) : error;
  }
}

async function fetchManifest(vault: Vault, parent: ReadManifest, file: string): Promise<void> {
  const member = parent.manifest.objects.find(({ role }) => role === manifestRole);
  if (!member) throw new BackupDamaged(parent.key, 'it names no backup_manifest');
  await pipeline(await vault.read(member), createWriteStream(file, { mode: 0o600 }));
}

/** Finds `backup_manifest` in a tar as it streams by; it is the last file. */
class ManifestScan {
  readonly #chunks: Buffer[] = [];
  readonly #parser: Parser;
  #found = false;
  #error: unknown;

  constructor() {
    this.#parser = new Parser({
      strict: true,
      filter: (path) => path === 'backup_manifest',
      onReadEntry: (entry) => {
        entry.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
        entry.on('end', () => (this.#found = true));
      },
    });
    this.#parser.on('error', (error) => (this.#error = error));
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (!this.#parser.write(chunk)) await once(this.#parser, 'drain');
  }

  async end(): Promise<Buffer> {
    const ended = once(this.#parser, 'end');
    this.#parser.end();
    await ended;
    if (!this.#found) throw new BaseBackupFailed('pg_basebackup wrote no backup_manifest');
    return Buffer.concat(this.#chunks);
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-5).join('\n');
}
