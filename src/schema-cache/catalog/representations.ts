import type { Statement } from '../../db/statement.ts';

/** A cast by a function between a domain and json or text, in either direction. */
export interface RepresentationRow {
  readonly source_type: string;
  readonly target_type: string;
  /** Quoted, with its schema. */
  readonly function: string;
}

/**
 * Returns `RepresentationRow`s: implicit casts whose function the login may run (PostgREST, Domain Representations).
 * Postgres ignores casts of domains, so the cast itself is never used; it only names the function.
 */
export function representationsStatement(): Statement {
  return {
    text: `
      select format_type(k.castsource, null) as source_type, format_type(k.casttarget, null) as target_type,
             k.castfunc::regproc::text as function
      from pg_cast k
      join pg_type s on s.oid = k.castsource
      join pg_type t on t.oid = k.casttarget
      where k.castcontext = 'i' and k.castmethod = 'f'
        and (s.typtype = 'd' and t.oid in ('json'::regtype, 'text'::regtype)
          or t.typtype = 'd' and s.oid in ('json'::regtype, 'text'::regtype))
        and has_function_privilege(k.castfunc, 'execute')`,
  };
}
