import type { Database } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import type { QualifiedName } from '../schema-cache/identifier.ts';
import { databaseName, postgrestOptions } from './option-list.ts';

/**
 * Reads the configuration in the database, by name with underscores (PostgREST, In-Database Configuration). A setting
 * of the login for this database (`alter role ... in database ... set pgrst.db_schemas`) comes first, then one for
 * all databases, then one that the pre-config function sets. Rejects with the errors of that function and of the
 * database.
 */
export async function readDatabaseSettings(
  database: Database,
  preConfig: QualifiedName | null,
): Promise<ReadonlyMap<string, string>> {
  const names = postgrestOptions
    .filter(({ inDatabase }) => inDatabase)
    .map(({ name }) => `pgrst.${databaseName(name)}`);
  const rows = await database.transaction({ transaction_read_only: 'on' }, async (transaction) => {
    if (preConfig !== null) await transaction.query({ text: `select from ${quoted(preConfig)}()` });
    const { rows: found } = await transaction.query<{ name: string; value: string }>(sql`
      with stored as (
        select entry, setdatabase <> 0 as of_this_database
        from pg_catalog.pg_db_role_setting, unnest(setconfig) as entry
        where setrole = (select oid from pg_catalog.pg_roles where rolname = current_user)
          and setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
      ), found as (
        select split_part(entry, '=', 1) as name, substr(entry, strpos(entry, '=') + 1) as value,
          case when of_this_database then 1 else 2 end as rank
        from stored
        union all
        select name, current_setting(name, true), 3 from unnest(${names}::text[]) as name where ${preConfig !== null}
      )
      select distinct on (name) name, value from found
      where name = any (${names}) and value is not null
      order by name, rank`);
    return found;
  });
  return new Map(rows.map(({ name, value }) => [name.slice('pgrst.'.length), value]));
}

function quoted({ schema, name }: QualifiedName): string {
  return schema === '' ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
