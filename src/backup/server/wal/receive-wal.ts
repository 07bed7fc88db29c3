import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../log.ts';
import { stackOfBug } from '../../../operational-error.ts';
import type { Vault } from '../../vault.ts';
import { SpoolArchiver } from './archive-spool.ts';
import { connectionEnvironment } from '../connection-environment.ts';
import { keepProgram } from '../../../programs/kept-program.ts';
import type { KeptProgram } from '../../../programs/kept-program.ts';
import { programFile } from '../programs.ts';
import type { ServerPrograms } from '../programs.ts';
import { ensureSlot, readSlot } from './replication-slot.ts';
import type { SlotState } from './replication-slot.ts';
import { connectForReplication } from '../server-facts.ts';
import type { ServerConnection } from '../server-facts.ts';
import { makeSpool } from './spool.ts';

export interface ReceiveOptions {
  readonly connection: ServerConnection;
  readonly programs: ServerPrograms;
  readonly vault: Vault;
  readonly systemIdentifier: string;
  /** A directory for this receiver alone: received WAL waits there until it is in the vault. */
  readonly spoolDirectory: string;
  readonly slot: string;
  /** Whether to confirm every write at once, for a server that names the slot in `synchronous_standby_names`. */
  readonly synchronous?: boolean;
  /** How often the beginning of the segment under way is archived. Default: 30 s. */
  readonly partialEveryMs?: number;
  /** Called every few seconds with the state of the receiver. A rejection is logged. */
  readonly onStatus?: (status: ReceiverStatus) => Promise<void>;
  readonly log: Log;
  readonly now: () => Date;
}

/** The state of a receiver. */
export interface ReceiverStatus {
  readonly at: Date;
  /** Null: the server did not answer. */
  readonly slot: SlotState | null;
  /** Whether this process's `pg_receivewal` is running. */
  readonly receiving: boolean;
  /** The reason why the program last ended, or why the store last refused a segment; null: all is well. */
  readonly problem: string | null;
}

/** A running receiver. */
export interface Receiving {
  readonly pid: () => number | undefined;
  /** Stops the program in order, and archives everything it received, including the unfinished segment. */
  stop(): Promise<void>;
}

const archiveEveryMs = 200;
const firstStatusMs = 3_000;
/** A program that has run this long has started well. */
const healthyMs = 2_000;
const statusEveryMs = 10_000;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** After a run this long, earlier failures no longer count. */
const goodRunMs = 60_000;

/**
 * Receives the server's WAL through a slot, and archives it, until `stop`. A program that ends is started again,
 * after a growing pause. While another process holds the slot, this one waits for it. Rejects when the slot cannot be
 * made.
 */
export async function receiveWal(options: ReceiveOptions): Promise<Receiving> {
  const { connection, slot, spoolDirectory, log } = options;
  await makeSpool(spoolDirectory);
  const client = await connectForReplication(connection);
  try {
    await ensureSlot(client, slot);
  } finally {
    await client.end();
  }
  const stopping = new AbortController();
  const state: State = { program: null, programProblem: null, archiveProblem: null };
  const archiver = new SpoolArchiver(options);
  const supervising = superviseProgram(options, state, stopping.signal);
  const archiving = keepArchiving(archiver, options, state, stopping.signal);
  const telling = keepTelling(options, state, stopping.signal);
  return {
    pid: () => state.program?.pid,
    stop: async () => {
      stopping.abort();
      state.program?.stop();
      await Promise.all([supervising, archiving, telling]);
      try {
        await archiver.archive({ partial: true });
      } catch (error) {
        // The WAL stays in the spool, from which the next receiver archives it.
        log({
          level: 'warning',
          event: 'wal-not-archived',
          message: `WAL stays in ${spoolDirectory}: ${String(error)}`,
        });
      }
    },
  };
}

interface State {
  program: KeptProgram | null;
  programProblem: string | null;
  archiveProblem: string | null;
}

async function superviseProgram(options: ReceiveOptions, state: State, signal: AbortSignal): Promise<void> {
  const { connection, programs, spoolDirectory, slot, synchronous = false, log } = options;
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    const startedAt = performance.now();
    state.program = keepProgram(
      programFile(programs, 'pg_receivewal'),
      [
        `--directory=${spoolDirectory}`,
        `--slot=${slot}`,
        // The program's own retry loop would hide its failures from us.
        '--no-loop',
        '--no-password',
        ...(synchronous ? ['--synchronous'] : ['--status-interval=1']),
      ],
      {
        ...programs.environment,
        ...connectionEnvironment(connection.url, connection.ssl, slot),
      },
    );
    const healthy = setTimeout(() => (state.programProblem = null), healthyMs);
    const why = await state.program.ended;
    clearTimeout(healthy);
    state.program = null;
    if (signal.aborted) return;
    state.programProblem = `pg_receivewal ended (${why})`;
    if (performance.now() - startedAt >= goodRunMs) pauseMs = firstPauseMs;
    log({
      level: 'warning',
      event: 'wal-receiver-ended',
      message: `${state.programProblem}; it is started again in ${pauseMs / 1000} s`,
    });
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

async function keepArchiving(
  archiver: SpoolArchiver,
  { partialEveryMs = 30_000, spoolDirectory, log }: ReceiveOptions,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  let partialAt = performance.now();
  while (!signal.aborted) {
    try {
      const partial = performance.now() - partialAt >= partialEveryMs;
      await archiver.archive({ partial });
      if (partial) partialAt = performance.now();
      state.archiveProblem = null;
    } catch (error) {
      const problem = `the store does not take WAL, which stays in ${spoolDirectory}: ${String(error)}`;
      if (state.archiveProblem !== problem)
        log({ level: 'error', event: 'wal-not-archived', message: problem, stack: stackOfBug(error) });
      state.archiveProblem = problem;
    }
    await pause(archiveEveryMs, signal);
  }
}

/** The program at one moment, and the server's view of it. */
interface Look {
  readonly program: KeptProgram | null;
  readonly slot: SlotState | null;
}

/**
 * Whether a program that has run from one look to the next has a dead connection: the server has given it up, or has
 * more and more WAL that does not arrive. The program itself would wait for ever.
 */
function isDeaf(before: Look, now: Look): boolean {
  if (now.program === null || now.program !== before.program) return false;
  const [then, slot] = [before.slot, now.slot];
  if (then === null || slot === null) return false;
  if (!then.active && !slot.active) return true;
  return slot.receivedLsn === then.receivedLsn && then.keptBytes > 0 && slot.keptBytes > then.keptBytes;
}

async function keepTelling(options: ReceiveOptions, state: State, signal: AbortSignal): Promise<void> {
  const { connection, slot, onStatus, log, now } = options;
  if (!onStatus) return;
  // The first status reports that receiving began, rather than that nothing has come yet.
  await pause(firstStatusMs, signal);
  let before: Look | null = null;
  while (!signal.aborted) {
    try {
      const receiving = state.program !== null;
      const problem = state.programProblem ?? state.archiveProblem;
      const look: Look = { program: state.program, slot: await readSlot(connection, slot) };
      if (before !== null && isDeaf(before, look)) {
        log({
          level: 'warning',
          event: 'wal-receiver-deaf',
          message: 'pg_receivewal runs and receives nothing of what the server has for it: it is ended',
        });
        look.program?.stop();
      }
      before = look;
      await onStatus({ at: now(), slot: look.slot, receiving, problem });
    } catch (error) {
      log({ level: 'warning', event: 'wal-status-unknown', message: String(error) });
    }
    await pause(statusEveryMs, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {});
}
