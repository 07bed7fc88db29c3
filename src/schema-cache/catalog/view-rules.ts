import type { Statement } from '../../db/statement.ts';

/** A view's query as the parser's tree. */
export interface ViewRuleRow {
  readonly relation: number;
  readonly tree: string;
}

/**
 * Returns `ViewRuleRow`s of views and materialized views. A view outside the exposed schemas and the search path does
 * not pass keys on (PostgREST, Resource Embedding, Foreign Key Joins on Chains of Views).
 */
export function viewRulesStatement(schemas: readonly string[]): Statement {
  return {
    text: `
      select r.ev_class as relation, r.ev_action::text as tree
      from pg_rewrite r
      join pg_class c on c.oid = r.ev_class
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('v', 'm') and c.relpersistence <> 't' and r.ev_type = '1' and r.is_instead
        and n.nspname = any ($1::text[])`,
    values: [schemas],
  };
}
