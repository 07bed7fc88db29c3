import type { Statement } from '../../db/statement.ts';

/** A function that takes one row of a relation and returns rows of a relation. */
export interface ComputedRelationshipRow {
  readonly schema: string;
  readonly name: string;
  readonly table_schema: string;
  readonly table_name: string;
  readonly foreign_schema: string;
  readonly foreign_name: string;
  readonly to_one: boolean;
}

/** Returns `ComputedRelationshipRow`s. The functions may be in any schema; the relations must be in exposed ones. */
export function computedRelationshipsStatement(schemas: readonly string[]): Statement {
  return {
    text: `
      select n.nspname as schema, p.proname as name,
             tn.nspname as table_schema, t.relname as table_name,
             fn.nspname as foreign_schema, f.relname as foreign_name,
             not p.proretset or p.prorows = 1 as to_one
      from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace
      join pg_class t on t.reltype = p.proargtypes[0] and t.relkind in ('r', 'p', 'v', 'm', 'f')
      join pg_namespace tn on tn.oid = t.relnamespace
      join pg_class f on f.reltype = p.prorettype and f.relkind in ('r', 'p', 'v', 'm', 'f')
      join pg_namespace fn on fn.oid = f.relnamespace
      where p.prokind = 'f' and p.pronargs = 1
        and tn.nspname = any ($1::text[]) and fn.nspname = any ($1::text[])`,
    values: [schemas],
  };
}
