import { DatabaseError } from 'pg';
import type { Client } from 'pg';

/** How a statement ended: `done`, or the SQLSTATE with which it was refused. */
export type Outcome = string;

/**
 * Tries a statement in a transaction of its own, as `role` if there is one, and takes back what it did unless `commit` is set. Statements
 * parted by semicolons are one try.
 */
export async function tryQuery(
  client: Client,
  text: string,
  { role, commit = false }: { readonly role?: string; readonly commit?: boolean } = {},
): Promise<Outcome> {
  await client.query('begin');
  try {
    if (role !== undefined) await client.query("select set_config('role', $1, true)", [role]);
    await client.query(text);
    await client.query(commit ? 'commit' : 'rollback');
    return 'done';
  } catch (error) {
    await client.query('rollback');
    if (!(error instanceof DatabaseError)) throw error;
    return error.code ?? error.message;
  }
}
