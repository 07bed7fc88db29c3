import type { MediaHandler } from '../../schema-cache/media-handler.ts';
import { returnsScalar, returnsSetOfScalar, returnsSingleComposite } from '../../schema-cache/routine.ts';
import type { Routine } from '../../schema-cache/routine.ts';
import { scalarColumn } from './call.ts';
import { fragment, identifier, qualified, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** The rows that an answer is made from. */
export interface AnswerRows {
  /** The alias of the rows in `from`. */
  readonly name: Fragment;
  /** One whole row: `name.*`, or a column that holds rows. */
  readonly row: Fragment;
  /** A `from` item with the same rows and alias, for the heading of CSV; null: the rows cannot be read twice. */
  readonly again: Fragment | null;
  /** The function that returned the rows; null: they come from a relation. */
  readonly routine: Routine | null;
}

/**
 * The body, made of all rows: an expression of type text, or bytea for handlers that make bytes; null without a body.
 * PostgREST, Media Type Handlers.
 */
export function body(handler: MediaHandler, rows: AnswerRows): Fragment {
  switch (handler.kind) {
    case 'json':
      return jsonBody(rows, false);
    case 'json-nulls-stripped':
      return jsonBody(rows, true);
    case 'json-object':
      return firstOf(rows, handler.stripNulls);
    case 'csv':
      return csvBody(rows);
    case 'geojson':
      // Without a schema, because PostGIS may be in any schema of the search path.
      return fragment`json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(ST_AsGeoJSON(${rows.row})::json), '[]'))::text`;
    case 'custom': {
      const { routine, row } = rows;
      const argument =
        routine && returnsScalar(routine)
          ? fragment`${rows.name}.${identifier(scalarColumn)}`
          : handler.target === null
            ? row
            : fragment`(${row})::${qualified(handler.target)}`;
      const made = fragment`${qualified(handler.function)}(${argument})`;
      // `concat` writes any type as the type itself does; a cast of xml to text would drop an empty first line.
      return handler.bytes ? made : fragment`concat(${made})`;
    }
    case 'none':
      return verbatim('null::text');
    default:
      return handler satisfies never;
  }
}

/** Whether the body is an aggregate, which gives exactly one row, however many rows were found. */
export function isAggregate(handler: MediaHandler, routine: Routine | null): boolean {
  if (handler.kind === 'none') return false;
  return !(handler.kind === 'custom' && routine !== null && returnsScalar(routine));
}

/** An array of the rows; for a function that returns a single thing, that thing. */
function jsonBody(rows: AnswerRows, stripNulls: boolean): Fragment {
  const { routine } = rows;
  if (routine && (returnsScalar(routine) || returnsSingleComposite(routine)))
    return firstOf(rows, stripNulls);
  const element = routine && returnsSetOfScalar(routine) ? scalarOf(rows) : rows.row;
  return fragment`coalesce(${stripped(fragment`json_agg(${element})`, stripNulls)}, '[]')::text`;
}

/**
 * The only row as an object; other code checks that there is only one. `json_agg(...)->0` would do too, but it parses
 * the json that was just made.
 */
function firstOf(rows: AnswerRows, stripNulls: boolean): Fragment {
  const element = rows.routine && returnsScalar(rows.routine) ? scalarOf(rows) : rows.row;
  return fragment`coalesce(string_agg(${stripped(fragment`to_json(${element})`, stripNulls)}::text, ''), 'null')`;
}

function scalarOf({ name }: AnswerRows): Fragment {
  return fragment`${name}.${identifier(scalarColumn)}`;
}

function stripped(json: Fragment, stripNulls: boolean): Fragment {
  return stripNulls ? fragment`json_strip_nulls(${json})` : json;
}

/**
 * A heading with the columns' names, then the rows as Postgres writes composite values, without the parentheses:
 * quoted where necessary, null as nothing, quotes doubled. Without rows the names are unknown, so only the heading's
 * line end remains.
 */
function csvBody({ row, again }: AnswerRows): Fragment {
  if (again === null) throw new Error('CSV needs its rows twice');
  const first = fragment`select row_to_json(${row}) as object from ${again} limit 1`;
  const heading = fragment`(select coalesce(string_agg(case when key ~ E'[",\\r\\n]' then '"' || replace(key, '"', '""') || '"' else key end, ','), '') from (${first}) as first, json_object_keys(object) as key)`;
  // A row's text doubles backslashes as well as quotes, but CSV doubles only quotes.
  const lines = fragment`coalesce(string_agg(replace(substr((${row})::text, 2, length((${row})::text) - 2), E'\\\\\\\\', E'\\\\'), E'\\n'), '')`;
  return fragment`${heading} || E'\\n' || ${lines}`;
}
