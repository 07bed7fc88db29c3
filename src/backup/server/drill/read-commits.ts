import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../../operational-error.ts';
import { runCommand } from '../../../programs/command.ts';
import { endOfRun } from '../wal/needed-wal.ts';
import { programFile } from '../programs.ts';
import type { ServerPrograms } from '../programs.ts';
import { padded } from '../wal/scan-wal.ts';
import { formatLsn } from '../wal/wal-position.ts';
import { findWal, walRun } from '../wal/wal-run.ts';
import type { WalRun } from '../wal/wal-run.ts';
import type { Vault } from '../../vault.ts';
import { parseCommits } from './place-snapshot.ts';
import type { CommitRecord } from './place-snapshot.ts';
import type { Moment } from './with-moment.ts';

/** WAL did not arrive in the store. The message says how far it did. */
export class WalNotReceived extends OperationalError {
  override name = 'WalNotReceived';
}

export interface ReadCommits {
  readonly vault: Vault;
  readonly programs: ServerPrograms;
  readonly server: {
    readonly systemIdentifier: string;
    readonly timeline: number;
    readonly segmentBytes: number;
  };
  readonly signal: AbortSignal;
  /** How long no further WAL may arrive. */
  readonly patienceMs: number;
}

const lookEveryMs = 500;

/** Waits until the WAL of a moment is in the vault, and reads its commits. Rejects with WalNotReceived. */
export async function readCommits(options: ReadCommits, { wal }: Moment): Promise<readonly CommitRecord[]> {
  const { vault, programs, server, signal, patienceMs } = options;
  const directory = await mkdtemp(join(tmpdir(), 'lightning-wal-'));
  try {
    const context = { segmentBytes: server.segmentBytes, programs, directory };
    let files = -1;
    let deadline = 0;
    for (;;) {
      signal.throwIfAborted();
      const inventory = await findWal(vault, server.systemIdentifier, null);
      // Much WAL may be on its way after a time without a receiver.
      if (inventory.segments.size !== files) deadline = Date.now() + patienceMs;
      files = inventory.segments.size;
      const run = await walRun(inventory, { ...server, lsn: wal.start });
      const end = await endOfRun(run.files, context);
      if (end !== null && end.lsn >= wal.needed) return await commitsOf(run, options, wal, directory);
      if (Date.now() >= deadline) {
        throw new WalNotReceived(
          `WAL up to ${formatLsn(wal.needed)} is not in ${vault.store.name}, where none arrived for ${patienceMs / 1000} s; ` +
            `${end === null ? `there is none from ${formatLsn(wal.start)} on` : `it ends at ${formatLsn(end.lsn)}`}: ` +
            'lightning status shows the state of the receiver',
        );
      }
      await sleep(lookEveryMs, undefined, { signal });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function commitsOf(
  { files }: WalRun,
  { programs, server }: ReadCommits,
  { start, end }: Moment['wal'],
  directory: string,
): Promise<readonly CommitRecord[]> {
  for (const wal of files) {
    await writeFile(join(directory, wal.file), padded(await wal.read(), server.segmentBytes));
  }
  const output = await runCommand(
    programFile(programs, 'pg_waldump'),
    [
      `--path=${directory}`,
      `--timeline=${server.timeline}`,
      `--start=${formatLsn(start)}`,
      `--end=${formatLsn(end)}`,
      '--rmgr=Transaction',
    ],
    { env: programs.environment },
  );
  return parseCommits(output);
}
