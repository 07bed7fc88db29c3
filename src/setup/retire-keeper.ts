import { DatabaseError } from 'pg';
import type { Client } from 'pg';
import { roleName } from '../db/roles.ts';
import { quoteIdentifier } from '../db/statement.ts';

/**
 * Takes away the role `<prefix>_keeper` of earlier versions, which owned the tables of metrics and which the worker's login could
 * become: its tables go to the owner, nobody stays its member, and the role goes. Another database of the server may still give it
 * something; then the role stays, without members, and a setup of that database ends it. Call it in a transaction. Returns what was
 * done, in words; null: there is no such role.
 */
export async function retireKeeper(client: Client, rolePrefix: string): Promise<string | null> {
  const keeper = `${rolePrefix}_keeper`;
  const { rows } = await client.query<{ member: string }>(
    `select m.member::regrole::text as member
     from pg_roles r left join pg_auth_members m on m.roleid = r.oid
     where r.rolname = $1 order by 1`,
    [keeper],
  );
  if (rows.length === 0) return null;
  const [role, owner] = [quoteIdentifier(keeper), quoteIdentifier(roleName(rolePrefix, 'owner'))];
  const done = await attempt(client, `reassign owned by ${role} to ${owner}; drop owned by ${role}`);
  if (!done)
    return `role ${keeper} stays: this administrator may not take its tables, \`lightning migrate\` does`;
  for (const { member } of rows) if (member !== null) await client.query(`revoke ${role} from ${member}`);
  return (await attempt(client, `drop role ${role}`))
    ? `role ${keeper} of earlier versions removed`
    : `role ${keeper} of earlier versions has no members any more; it stays, because another database of this server needs it: run setup there, too`;
}

/** Whether the statement could be run; 42501: it may not be, 2BP01: something depends on the role, 55P03: a table is in use. */
async function attempt(client: Client, text: string): Promise<boolean> {
  await client.query('savepoint retiring');
  try {
    await client.query("set local lock_timeout = '5s'");
    await client.query(text);
    await client.query('set local lock_timeout to default');
    await client.query('release savepoint retiring');
    return true;
  } catch (error) {
    if (!(error instanceof DatabaseError && ['42501', '2BP01', '55P03'].includes(error.code ?? '')))
      throw error;
    await client.query('rollback to savepoint retiring');
    return false;
  }
}
