import { fragment, parameter } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/**
 * The address of a written row, as `column=eq.value` for each column of its primary key: text[], null unless exactly
 * one row was written and its table has a key. `source` holds the written rows, including the key.
 */
export function location(source: Fragment, rowCount: Fragment, primaryKey: readonly string[]): Fragment {
  return fragment`case when ${rowCount} = 1 then (select array_agg(field.key || '=' || coalesce('eq.' || field.value, 'is.null')) from (select row_to_json(${source}.*) as object from ${source} limit 1) as written, json_each_text(written.object) as field where field.key = any(${parameter(
    [...primaryKey],
  )}::text[])) end`;
}
