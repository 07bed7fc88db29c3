import { DatabaseError } from 'pg';

/** An error of the server itself, rather than of a request: its disk, its memory, its files. */
export interface ServerTrouble {
  /** SQLSTATE. */
  readonly code: string;
  /** The server's own words. They name its files and settings, and are for operators only. */
  readonly message: string;
}

/** The sentences for clients, by the beginning of the SQLSTATE; the longest that fits counts. */
const publicSentences: Readonly<Record<string, string>> = {
  '53100': 'The database has no room left to store this',
  '53200': 'The database is out of memory',
  '53300': 'The database takes no more connections',
  '53400': 'The request needs more of a resource than the database gives to one',
  '53': 'The database is short of a resource',
  '57P': 'The database is not available at the moment',
  '58': 'The database cannot use its files',
  F0: 'The configuration of the database is broken',
  XX: 'The database found an error in itself',
};

/**
 * The sentence for clients in place of an error's own message, which would tell of the server: of its files, processes or
 * settings. Null: the message may be shown, because it is about the request, or a function raised it.
 */
export function publicSentence(error: DatabaseError): string | null {
  const { code = '' } = error;
  if (isRaised(error)) return null;
  return (
    publicSentences[code] ?? publicSentences[code.slice(0, 3)] ?? publicSentences[code.slice(0, 2)] ?? null
  );
}

/** The trouble of the server that an error tells of. Null: it is about the request, or the server only ends or begins. */
export function troubleOf(error: unknown): ServerTrouble | null {
  if (!(error instanceof DatabaseError) || isRaised(error)) return null;
  const { code = '', message } = error;
  // Reached by one request that asks for much; the server has room for others.
  if (code === '53400') return null;
  return /^(53|58|F0|XX)|^57P02$/.test(code) ? { code, message } : null;
}

/** What an operator does about a trouble with this SQLSTATE. */
export function adviceOn(code: string): string {
  if (code === '53100') return 'its disk is full: free room on it, or make it larger';
  if (code === '53200') return 'it is out of memory: see what uses it';
  if (code === '53300')
    return 'all its connections are in use: compare max_connections with the pools (lightning status)';
  return "the server's log has more. If its files are damaged, restore a backup: docs/recovery.md; an embedded one: lightning restore --to latest --into DIRECTORY";
}

/** Whether a function said `raise`: its author chose code and message. */
function isRaised({ routine }: DatabaseError): boolean {
  return routine === 'exec_stmt_raise';
}
