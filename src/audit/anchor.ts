import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';

/** A head of the chain that seals the audit log. Kept outside of the database, it bears witness to everything before it. */
export interface Anchor {
  /** The link's number, from 1. */
  readonly number: number;
  /** The link's hash: 64 hexadecimal digits. */
  readonly hash: string;
  /** When the link was made: ISO 8601, UTC. */
  readonly at: string;
  /** How many rows were sealed up to it. */
  readonly rows: number;
}

/** A file of anchors cannot be used. The message names the line. */
export class AnchorsUnreadable extends OperationalError {
  override name = 'AnchorsUnreadable';
}

/** A line of a file of anchors is not longer than this. */
const longestLine = 100_000;

/** The head of the chain; null: nothing is sealed, or the database is not one of ours or an earlier release's. */
export async function readHead(executor: Executor): Promise<Anchor | null> {
  const { rows: found } = await executor.query<{ exists: boolean }>(
    sql`select pg_catalog.to_regclass('audit.seals') is not null as exists`,
  );
  if (!found[0]?.exists) return null;
  const { rows } = await executor.query<Record<keyof Anchor, string>>(sql`
    select s.number::pg_catalog.text, pg_catalog.encode(s.hash, 'hex') as hash, pg_catalog.to_char(s.sealed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, s.total_rows::pg_catalog.text as rows
    from audit.seals s
    order by s.number desc
    limit 1`);
  const [head] = rows;
  return head ? { ...head, number: Number(head.number), rows: Number(head.rows) } : null;
}

/**
 * The anchors of a file, one after the other: a line each, as AUDIT_ANCHOR_FILE and the worker's log have them. Other lines of a
 * log, which name no link, are skipped, and so is a line that a crash cut short: the worker writes an anchor again. Throws AnchorsUnreadable for a line that is not JSON, for an anchor that is not one, and
 * when the file has none.
 */
export async function* readAnchors(file: string): AsyncGenerator<Anchor> {
  let line = 0;
  let found = false;
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  try {
    for await (const text of lines) {
      line += 1;
      if (text.trim() === '') continue;
      const anchor = parseAnchor(text, `${file}, line ${line}`);
      if (anchor === null) continue;
      found = true;
      yield anchor;
    }
  } catch (error) {
    if (error instanceof AnchorsUnreadable || !(error instanceof Error)) throw error;
    throw new AnchorsUnreadable(`${file} cannot be read: ${error.message}`, { cause: error });
  }
  if (!found) throw new AnchorsUnreadable(`${file} holds no anchor: expected lines with number and hash`);
}

function parseAnchor(text: string, where: string): Anchor | null {
  if (text.length > longestLine)
    throw new AnchorsUnreadable(`${where} is longer than ${longestLine} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // A crash cut it short. Whoever could cut an anchor could as well remove it.
    if (text.startsWith('{') && !text.trimEnd().endsWith('}')) return null;
    throw new AnchorsUnreadable(`${where} is not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || !('number' in value) || !('hash' in value)) return null;
  const { number, hash } = value;
  if (
    !Number.isSafeInteger(number) ||
    Number(number) < 1 ||
    typeof hash !== 'string' ||
    !/^[0-9a-f]{64}$/i.test(hash)
  ) {
    throw new AnchorsUnreadable(`${where}: expected a number from 1 and a hash of 64 hexadecimal digits`);
  }
  const at = 'at' in value && typeof value.at === 'string' ? value.at : '';
  const rows = 'rows' in value && typeof value.rows === 'number' ? value.rows : 0;
  return { number: Number(number), hash: hash.toLowerCase(), at, rows };
}
