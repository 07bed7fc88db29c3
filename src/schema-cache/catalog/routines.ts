import type { Statement } from '../../db/statement.ts';
import { domainBases } from './domains.ts';

/** A function of an exposed schema. */
export interface RoutineRow {
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  /** Names of all arguments, including output; null if none has a name. */
  readonly argument_names: readonly string[] | null;
  /** `i`, `o`, `b`, `v`, `t` for all arguments; null if all are input. */
  readonly argument_modes: readonly string[] | null;
  /** Types of the input arguments only. */
  readonly input_types: readonly string[];
  readonly default_count: number;
  readonly return_schema: string;
  readonly return_type: string;
  readonly returns_set: boolean;
  /** Whether the type itself is composite. */
  readonly returns_composite: boolean;
  /** Whether the declared type is a domain over it. */
  readonly returns_domain: boolean;
  readonly volatility: 'v' | 's' | 'i';
  /** Entries of the form `name=value`. */
  readonly configuration: readonly string[] | null;
}

/** Returns `RoutineRow`s. */
export function routinesStatement(schemas: readonly string[]): Statement {
  return {
    text: `
      with recursive ${domainBases}
      select n.nspname as schema, p.proname as name, d.description as comment,
             p.proargnames as argument_names, p.proargmodes::text[] as argument_modes,
             array(
               select format_type(a.type, null) from unnest(p.proargtypes) with ordinality a (type, place) order by place
             ) as input_types,
             p.pronargdefaults as default_count,
             rn.nspname as return_schema, r.typname as return_type,
             p.proretset as returns_set, r.typtype = 'c' as returns_composite, db.oid is not null as returns_domain,
             p.provolatile::text as volatility, p.proconfig as configuration
      from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace
      left join domain_bases db on db.oid = p.prorettype
      join pg_type r on r.oid = coalesce(db.base, p.prorettype)
      join pg_namespace rn on rn.oid = r.typnamespace
      left join pg_description d
        on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass and d.objsubid = 0
      where n.nspname = any ($1::text[]) and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
      order by n.nspname, p.proname, p.oid`,
    values: [schemas],
  };
}
