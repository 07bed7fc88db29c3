import type { Statement } from '../../db/statement.ts';
import { domainBases } from './domains.ts';

/** A column of a relation of an exposed schema. Ordered by relation and position. */
export interface ColumnRow {
  readonly relation: number;
  readonly position: number;
  readonly name: string;
  readonly comment: string | null;
  readonly nullable: boolean;
  readonly generated: boolean;
  readonly type: string;
  readonly nominal_type: string;
  readonly max_length: number | null;
  readonly default_expression: string | null;
  readonly enum_labels: readonly string[] | null;
}

/** Returns `ColumnRow`s. */
export function columnsStatement(schemas: readonly string[]): Statement {
  return {
    text: `
      with recursive ${domainBases}
      select a.attrelid as relation, a.attnum as position, a.attname as name, d.description as comment,
             not (a.attnotnull or t.typtype = 'd' and t.typnotnull) as nullable,
             a.attgenerated <> '' or a.attidentity = 'a' as generated,
             -- A domain over a user-defined type keeps its name, which is what PostgREST tells clients.
             case
               when b.typnamespace = 'pg_catalog'::regnamespace then format_type(b.oid, null)
               else format_type(a.atttypid, a.atttypmod)
             end as type,
             format_type(a.atttypid, a.atttypmod) as nominal_type,
             case
               when m.typmod < 0 then null
               when b.oid in ('bpchar'::regtype, 'varchar'::regtype) then m.typmod - 4
               when b.oid in ('bit'::regtype, 'varbit'::regtype) then m.typmod
             end as max_length,
             case
               when a.attgenerated <> '' then null
               when a.attidentity = 'd' then (
                 select format('nextval(%L)', s.objid::regclass)
                 from pg_depend s
                 where s.refclassid = 'pg_class'::regclass and s.refobjid = a.attrelid and s.refobjsubid = a.attnum
                   and s.classid = 'pg_class'::regclass and s.deptype = 'i'
               )
               when f.adbin is not null then pg_get_expr(f.adbin, f.adrelid)
               when t.typtype = 'd' then pg_get_expr(t.typdefaultbin, 0)
             end as default_expression,
             case when b.typtype = 'e' then (
               select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = b.oid
             ) end as enum_labels
      from pg_attribute a
      join pg_class c on c.oid = a.attrelid
      join pg_namespace n on n.oid = c.relnamespace
      join pg_type t on t.oid = a.atttypid
      left join domain_bases db on db.oid = t.oid
      cross join lateral (select coalesce(db.typmod, a.atttypmod) as typmod) m
      join pg_type b on b.oid = coalesce(db.base, t.oid)
      left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
      left join pg_description d
        on d.objoid = a.attrelid and d.classoid = 'pg_class'::regclass and d.objsubid = a.attnum
      where n.nspname = any ($1::text[])
        and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and c.relpersistence <> 't'
        and a.attnum > 0 and not a.attisdropped
      order by a.attrelid, a.attnum`,
    values: [schemas],
  };
}
