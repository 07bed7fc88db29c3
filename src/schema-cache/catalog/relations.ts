import type { Statement } from '../../db/statement.ts';

/** A relation of any schema except Postgres's own: foreign keys may lead to relations that are not exposed. */
export interface RelationRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly is_view: boolean;
  /** A partition is reached through its partitioned table, not by itself. */
  readonly is_partition: boolean;
  /** Null if the schema is not exposed, like the next four. */
  readonly comment: string | null;
  /** The columns of its unique indexes that an upsert can go by; null if it has none. */
  readonly unique_keys: readonly (readonly string[])[] | null;
  readonly insertable: boolean | null;
  readonly updatable: boolean | null;
  readonly deletable: boolean | null;
}

/**
 * Returns `RelationRow`s. Only exposed views and foreign tables are asked what they can do, because that opens the
 * relation.
 */
export function relationsStatement(schemas: readonly string[]): Statement {
  // pg_relation_is_updatable returns the bits 1 << CmdType: 4 update, 8 insert, 16 delete.
  const can = (bit: number) =>
    `case when not e.exposed then null when c.relkind in ('r', 'p') then true else u.events & ${bit} <> 0 end`;
  return {
    text: `
      select c.oid, n.nspname as schema, c.relname as name,
             c.relkind in ('v', 'm') as is_view,
             c.relispartition as is_partition,
             case when e.exposed then d.description end as comment,
             case when e.exposed then (
               select json_agg(k.columns order by k.is_primary desc, k.name)
               from (
                 select ic.relname as name, i.indisprimary as is_primary, array(
                   select a.attname::text
                   from unnest(i.indkey::int2[]) with ordinality u (position, place)
                   join pg_attribute a on a.attrelid = c.oid and a.attnum = u.position
                   where u.place <= i.indnkeyatts
                   order by u.place
                 ) as columns
                 from pg_index i
                 join pg_class ic on ic.oid = i.indexrelid
                 where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid
                   and i.indpred is null and i.indexprs is null
               ) k
             ) end as unique_keys,
             ${can(8)} as insertable, ${can(4)} as updatable, ${can(16)} as deletable
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      cross join lateral (select n.nspname = any ($1::text[]) as exposed) e
      left join pg_description d
        on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
      left join lateral (
        select case
                 when not e.exposed then 0
                 -- The function fails for a foreign table whose wrapper has no handler.
                 when c.relkind = 'v' or c.relkind = 'f' and exists (
                   select from pg_foreign_table f
                   join pg_foreign_server s on s.oid = f.ftserver
                   join pg_foreign_data_wrapper w on w.oid = s.srvfdw
                   where f.ftrelid = c.oid and w.fdwhandler <> 0
                 ) then pg_relation_is_updatable(c.oid, true)
                 else 0
               end as events
      ) u on true
      where c.relkind in ('r', 'p', 'v', 'm', 'f')
        and n.nspname not in ('pg_catalog', 'information_schema')
        and c.relpersistence <> 't'
      order by n.nspname, c.relname`,
    values: [schemas],
  };
}
