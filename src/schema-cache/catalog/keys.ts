import type { Statement } from '../../db/statement.ts';

/** A primary key, unique constraint or foreign key, with its columns in the key's order. */
export interface KeyRow {
  readonly kind: 'p' | 'u' | 'f';
  readonly name: string;
  readonly relation: number;
  readonly positions: readonly number[];
  readonly columns: readonly string[];
  /** Set for foreign keys, like the next two; null for other keys. */
  readonly foreign_relation: number | null;
  readonly foreign_positions: readonly number[] | null;
  readonly foreign_columns: readonly string[] | null;
  /** A partition's share of a foreign key. The row of its partitioned table already states where it leads. */
  readonly inherited: boolean;
}

/** Returns `KeyRow`s of all schemas except Postgres's own. */
export function keysStatement(): Statement {
  const names = (relation: string, key: string) => `
    array(
      select a.attname::text
      from unnest(${key}) with ordinality e (position, place)
      join pg_attribute a on a.attrelid = ${relation} and a.attnum = e.position
      order by e.place
    )`;
  return {
    text: `
      select k.contype::text as kind, k.conname as name, k.conrelid as relation,
             k.conkey::int[] as positions, ${names('k.conrelid', 'k.conkey')} as columns,
             nullif(k.confrelid, 0) as foreign_relation, k.confkey::int[] as foreign_positions,
             case when k.contype = 'f' then ${names('k.confrelid', 'k.confkey')} end as foreign_columns,
             k.conparentid <> 0 as inherited
      from pg_constraint k
      where k.contype in ('p', 'u', 'f')
        and k.connamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      order by k.conrelid, k.conname`,
  };
}
