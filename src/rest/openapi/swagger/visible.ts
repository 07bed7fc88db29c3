import type { Statement } from '../../../db/statement.ts';
import { executableRoutines, routineKeys } from '../executable-routines.ts';
import type { ExecutableRoutine } from '../executable-routines.ts';

/** What a role has to do with in a schema. */
export interface Visible {
  readonly schemaComment: string | null;
  /** Names of the relations that the role owns, or has a privilege on, or on one of whose columns it has one. */
  readonly relations: ReadonlySet<string>;
  /** The `routineKey`s (../executable-routines.ts) of the functions that the role may execute. */
  readonly routines: ReadonlySet<string>;
}

/** The row that `visibleStatement` returns; `parseVisible` reads it. */
export interface VisibleRow {
  readonly visible: {
    readonly comment: string | null;
    readonly relations: readonly string[];
    readonly routines: readonly ExecutableRoutine[];
  };
}

/**
 * Reads in one row what PostgREST shows the current role of a schema. A relation is shown whole: any privilege counts,
 * whatever it allows and whatever column it is for.
 */
export function visibleStatement(schema: string): Statement {
  return { text: visibleText, values: [schema], prepare: true };
}

const visibleText = `
select json_build_object(
  'comment', (select pg_catalog.obj_description(n.oid, 'pg_namespace') from pg_catalog.pg_namespace n where n.nspname = $1),
  'relations', (
    select coalesce(json_agg(c.relname), '[]')
    from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1
      and c.relkind in ('r', 'v', 'm', 'f', 'p')
      and (
        pg_catalog.pg_has_role(c.relowner, 'usage')
        or pg_catalog.has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
        or pg_catalog.has_any_column_privilege(c.oid, 'select, insert, update, references')
      )
  ),
  'routines', ${executableRoutines}
) as visible`;

/** Reads the statement's row. */
export function parseVisible({ visible }: VisibleRow): Visible {
  return {
    schemaComment: visible.comment,
    relations: new Set(visible.relations),
    routines: routineKeys(visible.routines),
  };
}
