import type { Statement } from '../../db/statement.ts';
import { domainBases } from './domains.ts';

/** A function that returns a domain whose name is a media type. */
export interface MediaHandlerRow {
  /** For an aggregate, its own name; for a function, the name of the domain that a call's scalar result is cast to. */
  readonly schema: string;
  readonly name: string;
  /**
   * For an aggregate, the relation whose rows it takes (`pg_catalog.anyelement`: any relation); otherwise the
   * function.
   */
  readonly target_schema: string;
  readonly target_name: string;
  readonly any_target: boolean;
  /** The domain's name. */
  readonly media_type: string;
  /** Whether the domain is over bytea. */
  readonly bytes: boolean;
}

/** Returns `MediaHandlerRow`s of the exposed schemas (PostgREST, Media Type Handlers). */
export function mediaHandlersStatement(schemas: readonly string[]): Statement {
  return {
    text: `
      with recursive ${domainBases},
      media_types as (
        select t.oid, n.nspname as schema, t.typname as name, b.base = 'bytea'::regtype as bytes
        from pg_type t
        join domain_bases b on b.oid = t.oid
        join pg_namespace n on n.oid = t.typnamespace
        where t.typtype = 'd' and (t.typname = '*/*' or t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$')
      )
      select n.nspname as schema, p.proname as name, an.nspname as target_schema, a.typname as target_name,
             a.oid = 'anyelement'::regtype as any_target, m.name as media_type, m.bytes
      from media_types m
      join pg_proc p on p.prorettype = m.oid and p.prokind = 'a' and p.pronargs = 1
      join pg_namespace n on n.oid = p.pronamespace and n.nspname = any ($1::text[])
      join pg_type a on a.oid = p.proargtypes[0]
      join pg_namespace an on an.oid = a.typnamespace
      where a.oid = 'anyelement'::regtype
        or exists (select from pg_class c where c.oid = a.typrelid and c.relkind in ('r', 'p', 'v', 'm', 'f'))
      union all
      select m.schema, m.name, n.nspname, p.proname, false, m.name, m.bytes
      from media_types m
      join pg_proc p on p.prorettype = m.oid and p.prokind = 'f' and not p.proretset
      join pg_namespace n on n.oid = p.pronamespace and n.nspname = any ($1::text[])`,
    values: [schemas],
  };
}
