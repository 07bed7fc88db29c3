import type { Residue } from '../sql/sql-text.ts';
import { readReport } from '../wire.ts';
import type { Report } from '../wire.ts';

// Errors and warnings that the front itself sends to clients, with the SQLSTATEs that Postgres would use.

export function waitedTooLong(heldForMs: number): Report {
  return {
    severity: 'ERROR',
    code: '55P03',
    message:
      'the embedded database runs one transaction at a time, ' +
      `and another client's has been running for ${Math.round(heldForMs / 1000)} s`,
    hint: 'Try again later. For clients that work at the same time, use a Postgres server (DATABASE_URL).',
  };
}

export function idleInTransaction(idleMs: number): Report {
  return {
    severity: 'FATAL',
    code: '25P03',
    message: `terminating connection due to idle-in-transaction timeout (${idleMs} ms)`,
    detail:
      'The embedded database runs one transaction at a time; this one was rolled back so that others can go on.',
  };
}

export function copyStalled(idleMs: number): string {
  return `no data arrived for ${Math.round(idleMs / 1000)} s, and the embedded database runs one transaction at a time`;
}

/** Goes to the operator only: the client does not read. */
export const notRead: Report = {
  severity: 'FATAL',
  code: '08006',
  message: 'terminating connection because the client stopped reading its result',
};

export const statementTimeout: Report = {
  severity: 'ERROR',
  code: '57014',
  message: 'canceling statement due to statement timeout',
};

export const cancelled: Report = {
  severity: 'ERROR',
  code: '57014',
  message: 'canceling statement due to user request',
};

export function crashed(reason: string): Report {
  return {
    severity: 'ERROR',
    code: '58000',
    message: `the embedded database crashed while it ran this statement (${reason})`,
    detail: 'The statement and its transaction were rolled back.',
  };
}

/** For a client that lost its transaction or session with the engine. */
export const sessionLost: Report = {
  severity: 'FATAL',
  code: '57P01',
  message: 'terminating connection because the embedded database was restarted',
  detail: 'The open transaction was rolled back.',
};

/** For a client whose statement may or may not have run. */
export const outcomeUnknown: Report = {
  severity: 'FATAL',
  code: '57P01',
  message: 'terminating connection because the embedded database was restarted',
  detail: 'The outcome of the last statement is unknown.',
};

export const shuttingDown: Report = {
  severity: 'FATAL',
  code: '57P01',
  message: 'terminating connection because the embedded database is shutting down',
};

export function engineGone(reason: string): Report {
  return {
    severity: 'FATAL',
    code: '57P03',
    message: `the embedded database has stopped: ${reason}`,
    hint: 'Start the process again. If it stops again, restore the data directory from a backup.',
  };
}

/**
 * A client's settings could not be loaded into the session; `error` is the engine's answer. At the start of a
 * connection the client's own settings are wrong. Later the database must have changed.
 */
export function settingsRefused(error: Uint8Array, isStart: boolean): Report {
  const fields = readReport(error);
  const message = fields.get('M') ?? 'unknown error';
  if (isStart) return { severity: 'FATAL', code: fields.get('C') ?? 'XX000', message };
  return {
    severity: 'FATAL',
    code: '57P01',
    message: `terminating connection because its settings could not be set again: ${message}`,
    detail: "The embedded database has one session, into which each client's settings are loaded in turn.",
  };
}

/** The warning to a client whose state was lost while others used the session. */
export function residueLost(residues: Iterable<Residue>): Report {
  return {
    severity: 'WARNING',
    code: '01000',
    message: `the embedded database dropped this session's ${[...residues].join(' and ')}`,
    detail: 'It has one session, and another client has used it in between.',
    hint: 'Put statements that depend on each other into one transaction.',
  };
}
