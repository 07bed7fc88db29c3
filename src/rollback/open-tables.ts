import type { Executor } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import type { Table } from '../export/catalog.ts';

/** A table whose rows are to be changed as they came, and what closes it again. */
interface Opening {
  readonly relation: string;
  readonly open: string;
  readonly close: string;
}

/**
 * The statements that let the owner change rows of a table as they are, and those that end that: policies do not bind it, and no trigger numbers rows, marks
 * them, tells of them or refuses them. Two kinds of triggers stay: those of the audit log, and the one by which points are rolled up.
 */
export async function readOpenings(
  executor: Executor,
  tables: readonly Table[],
): Promise<readonly Opening[]> {
  const openings: Opening[] = [];
  for (const { relation } of tables) {
    const { rows } = await executor.query<{
      forced: boolean;
      triggers: readonly { readonly name: string; readonly always: boolean }[];
    }>(sql`
      select c.relforcerowsecurity as forced, (
        select coalesce(jsonb_agg(jsonb_build_object('name', t.tgname, 'always', t.tgenabled = 'A') order by t.tgname), '[]')
        from pg_catalog.pg_trigger t
        where t.tgrelid = c.oid and not t.tgisinternal and t.tgparentid = 0 and t.tgenabled in ('O', 'A')
          and t.tgname not like '\\_800\\_%' and t.tgfoid <> 'app_private.tg_metrics__mark_changes'::regproc
      ) as triggers
      from pg_catalog.pg_class c
      where c.oid = ${relation}::regclass`);
    for (const { forced, triggers } of rows) {
      const open = [
        ...(forced ? ['no force row level security'] : []),
        ...triggers.map(({ name }) => `disable trigger ${quoteIdentifier(name)}`),
      ];
      const close = [
        ...(forced ? ['force row level security'] : []),
        ...triggers.map(
          ({ name, always }) => `enable ${always ? 'always ' : ''}trigger ${quoteIdentifier(name)}`,
        ),
      ];
      if (open.length === 0) continue;
      openings.push({
        relation,
        open: `alter table ${relation} ${open.join(', ')}`,
        close: `alter table ${relation} ${close.join(', ')}`,
      });
    }
  }
  return openings;
}
