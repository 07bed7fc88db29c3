/**
 * Common table expressions for a `with recursive` statement: `domain_bases (oid, base, typmod)` maps every domain to the
 * type beneath all its domains, and to that type's modifier.
 */
export const domainBases = `
  domain_steps (oid, base, typmod) as (
    select t.oid, t.typbasetype, t.typtypmod from pg_type t where t.typtype = 'd'
    union all
    select s.oid, t.typbasetype, t.typtypmod
    from domain_steps s
    join pg_type t on t.oid = s.base and t.typtype = 'd'
  ),
  domain_bases as (
    select s.oid, s.base, s.typmod from domain_steps s join pg_type t on t.oid = s.base and t.typtype <> 'd'
  )`;
