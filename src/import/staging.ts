import { Readable } from 'node:stream';
import { DatabaseError } from 'pg';
import type { Claims } from '../auth/claims.ts';
import { requesterSettings } from '../auth/requester.ts';
import type { Transaction } from '../db/database.ts';
import type { Installation } from '../db/installation.ts';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { copyLines } from './copy-lines.ts';

// The way of rows into a table: COPY into the temporary table import_rows, and from there as the tenant's role, under row-level
// security. The role is set after the COPY, and not by the usual door, because a tenant's role cannot COPY everywhere. COPY into a table
// under row-level security is refused. Making the temporary table takes a right that a role may lack. And the embedded database
// turns COPY into reading a file, which takes a superuser. So the login stages the rows, and from then on the transaction is the tenant's.

/** The installation that rows are stored in, and the identity under which they are. */
export interface Importer {
  readonly installation: Installation;
  readonly claims: Claims;
}

/** Makes `pg_temp.import_rows`, with a text column for each of these and `ordinal`, for the rest of the transaction. */
export async function makeStaging(
  transaction: Transaction,
  columns: readonly string[],
  { claims, installation }: Importer,
): Promise<void> {
  const role = quoteIdentifier(requesterSettings(claims, installation)['role'] ?? '');
  await transaction.query({
    text: `create temporary table import_rows (ordinal integer, ${columns.map((name) => `${quoteIdentifier(name)} text`).join(', ')})
      on commit drop`,
  });
  await transaction.query({ text: `grant select on pg_temp.import_rows to ${role}` });
}

/** Stages rows, numbered from 0. The transaction is the login's. */
export async function stageRows(
  transaction: Transaction,
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): Promise<void> {
  const sent = await transaction.copyFrom(
    `copy pg_temp.import_rows (${['ordinal', ...columns].map(quoteIdentifier).join(', ')}) from stdin`,
    Readable.from(copyLines(rows.map((values, ordinal) => [String(ordinal), ...values]))),
  );
  if (sent !== rows.length)
    throw new Error(`expected COPY to store ${rows.length} rows, and it stored ${sent}`);
}

/** Turns the transaction into the tenant's. A load's statements may take longer than a request's. */
export async function becomeTenant(
  transaction: Transaction,
  { claims, installation }: Importer,
): Promise<void> {
  const settings = Object.entries({ statement_timeout: '0', ...requesterSettings(claims, installation) });
  await transaction.query({
    text: `select ${settings.map((_, i) => `pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, true)`).join(', ')}`,
    values: settings.flat(),
  });
}

/** Turns the transaction into the login's again, or into the owner's. */
export async function become(
  transaction: Transaction,
  { rolePrefix }: Installation,
  who: 'login' | 'owner',
): Promise<void> {
  const role = who === 'owner' ? roleName(rolePrefix, 'owner') : 'none';
  await transaction.query(sql`select pg_catalog.set_config('role', ${role}, true)`);
}

/**
 * Stores as many of the rows numbered `first` to `last` as possible: `insert` stores a range of them, and `onRefused` is called with each row
 * that Postgres refuses.
 */
export async function storeRange(
  transaction: Transaction,
  [first, last]: readonly [first: number, last: number],
  insert: (inner: Transaction, first: number, last: number) => Promise<void>,
  onRefused: (ordinal: number, error: DatabaseError) => void,
): Promise<void> {
  try {
    await transaction.savepoint((inner) => insert(inner, first, last));
  } catch (error) {
    if (!(error instanceof DatabaseError) || !isAboutARow(error)) throw error;
    if (first === last) {
      onRefused(first, error);
      return;
    }
    const middle = Math.floor((first + last) / 2);
    await storeRange(transaction, [first, middle], insert, onRefused);
    await storeRange(transaction, [middle + 1, last], insert, onRefused);
  }
}

/**
 * What functions and triggers refuse of a row: a legacy word that nothing stands for, a message, a thread that is full, a number too long to
 * print, a session of an administrator.
 */
const refusedRows: ReadonlySet<string> = new Set(['LTL01', 'LTC03', 'LTC05', 'LTK02', 'LTU04']);

/**
 * Whether an error concerns one row: data, constraint, limit, or a trigger's refusal. Others (rights, disk,
 * connection) would hit every row.
 */
function isAboutARow({ code = '' }: DatabaseError): boolean {
  return refusedRows.has(code) || ['22', '23', '44', '54', 'P0'].includes(code.slice(0, 2));
}
