import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { fragment, identifier, join, parameter, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/**
 * A column to read from a JSON body. `type` as the catalog quotes it; `transform` is a data representation's
 * function.
 */
export interface PayloadColumn {
  readonly name: string;
  readonly type: string;
  readonly transform: string | null;
  readonly defaultExpression: string | null;
}

/**
 * The name of a body's rows in a statement that writes to, or calls, `target`; it always differs from the target's name.
 * Clients see it in Postgres's messages, as they see PostgREST's.
 */
export function payloadName(target: QualifiedName): string {
  return target.name === 'pgrst_body' ? 'pgrst_body_rows' : 'pgrst_body';
}

/**
 * The rows of a JSON body, an object or an array of objects, as a `from` item called `rowsName` with `columns`. Other
 * keys are left out. `applyDefaults`: a missing key gets the column's default instead of null. Postgres parses the
 * text only once.
 */
export function payloadRows(
  rowsName: string,
  body: string | null,
  columns: readonly PayloadColumn[],
  { applyDefaults, firstOnly }: { readonly applyDefaults: boolean; readonly firstOnly: boolean },
): Fragment {
  const isObject = isJsonObject(body);
  const json = verbatim(applyDefaults ? 'jsonb' : 'json');
  const given = fragment`${parameter(body)}::${json}`;
  const name = identifier(rowsName);
  // No column is read: an object is one row, and an array has one row per element.
  if (columns.length === 0)
    return isObject
      ? fragment`(values (1)) as ${name}`
      : fragment`${json}_array_elements(${given}) as ${name}`;

  const complete = applyDefaults ? withDefaults(given, columns, isObject) : given;
  const rows = fragment`${json}_to_record${verbatim(isObject ? '' : 'set')}(${complete})`;
  const types = join(
    columns.map((column) => fragment`${identifier(column.name)} ${verbatim(column.type)}`),
    ', ',
  );
  if (!firstOnly && columns.every(({ transform }) => transform === null))
    return fragment`${rows} as ${name}(${types})`;
  const values = join(
    columns.map(({ name: column, transform }) =>
      transform === null
        ? identifier(column)
        : fragment`${verbatim(transform)}(${identifier(column)}) as ${identifier(column)}`,
    ),
    ', ',
  );
  return fragment`(select ${values} from ${rows} as _(${types})${verbatim(firstOnly ? ' limit 1' : '')}) as ${name}`;
}

/** Whether JSON text holds an object rather than an array; Postgres checks the rest of it. */
export function isJsonObject(body: string | null): boolean {
  return body !== null && /^[ \t\n\r]*\{/.test(body);
}

/** The body, with the columns' defaults where it has no value; each row gets its own. */
function withDefaults(given: Fragment, columns: readonly PayloadColumn[], isObject: boolean): Fragment {
  const pairs = columns.flatMap(({ name, defaultExpression }) =>
    defaultExpression === null ? [] : [fragment`${parameter(name)}::text, ${verbatim(defaultExpression)}`],
  );
  const defaults = fragment`jsonb_build_object(${join(pairs, ', ')})`;
  if (isObject) return fragment`${defaults} || ${given}`;
  return fragment`(select jsonb_agg(${defaults} || element) from jsonb_array_elements(${given}) as element)`;
}
