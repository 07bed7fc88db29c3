import type { Statement } from '../../db/statement.ts';
import { executableRoutines, routineKeys } from './executable-routines.ts';
import type { ExecutableRoutine } from './executable-routines.ts';

/** A role's privileges in a schema. */
export interface Access {
  readonly schemaComment: string | null;
  /** By relation name; relations on which the role has no privilege are missing. */
  readonly relations: ReadonlyMap<string, RelationAccess>;
  /** The `routineKey`s (./executable-routines.ts) of the functions that the role may execute. */
  readonly routines: ReadonlySet<string>;
}

/** Columns by privilege, in no particular order. */
export interface RelationAccess {
  readonly select: ReadonlySet<string>;
  readonly insert: ReadonlySet<string>;
  readonly update: ReadonlySet<string>;
  readonly delete: boolean;
}

/** The row that `accessStatement` returns; `parseAccess` reads it. */
export interface AccessRow {
  readonly access: {
    readonly comment: string | null;
    readonly relations: readonly {
      readonly name: string;
      readonly select: readonly string[];
      readonly insert: readonly string[];
      readonly update: readonly string[];
      readonly delete: boolean;
    }[];
    readonly routines: readonly ExecutableRoutine[];
  };
}

/**
 * Reads the current role's privileges in the schema, in one row. A view counts by the privilege on the view itself: a
 * privilege on the relations that it reads does not include it.
 */
export function accessStatement(schema: string): Statement {
  return { text: accessText, values: [schema], prepare: true };
}

const accessText = `
select json_build_object(
  'comment', (select pg_catalog.obj_description(n.oid, 'pg_namespace') from pg_catalog.pg_namespace n where n.nspname = $1),
  'relations', (
    select coalesce(json_agg(r), '[]')
    from (
      select
        c.relname as name,
        coalesce(json_agg(a.attname) filter (where pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')), '[]') as select,
        coalesce(json_agg(a.attname) filter (where pg_catalog.has_column_privilege(c.oid, a.attnum, 'insert')), '[]') as insert,
        coalesce(json_agg(a.attname) filter (where pg_catalog.has_column_privilege(c.oid, a.attnum, 'update')), '[]') as update,
        pg_catalog.has_table_privilege(c.oid, 'delete') as delete
      from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = $1
        and c.relkind in ('r', 'v', 'm', 'f', 'p')
        and (
          pg_catalog.has_table_privilege(c.oid, 'select, insert, update, delete')
          or pg_catalog.has_any_column_privilege(c.oid, 'select, insert, update')
        )
      group by c.oid, c.relname
    ) r
  ),
  'routines', ${executableRoutines}
) as access`;

/** Reads the statement's row. */
export function parseAccess({ access }: AccessRow): Access {
  return {
    schemaComment: access.comment,
    relations: new Map(
      access.relations.map(({ name, select, insert, update, delete: mayDelete }) => [
        name,
        {
          select: new Set(select),
          insert: new Set(insert),
          update: new Set(update),
          delete: mayDelete,
        },
      ]),
    ),
    routines: routineKeys(access.routines),
  };
}
