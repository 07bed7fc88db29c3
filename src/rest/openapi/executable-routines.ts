import { nameKey } from '../../schema-cache/identifier.ts';
import type { Routine } from '../../schema-cache/routine.ts';

/** A function that the role may execute, as `executableRoutines` reads it. */
export interface ExecutableRoutine {
  readonly name: string;
  /** Names of what goes in, in order; empty where a parameter has none. */
  readonly parameters: readonly string[];
}

/** A SQL expression: the functions of the schema $1 that the current role may execute, a JSON array of `ExecutableRoutine`. */
export const executableRoutines = `(
    select coalesce(json_agg(f), '[]')
    from (
      select
        p.proname as name,
        (
          select coalesce(json_agg(coalesce(p.proargnames[i], '') order by i), '[]')
          from generate_series(1, coalesce(array_length(p.proallargtypes, 1), p.pronargs)) i
          where coalesce(p.proargmodes[i], 'i') in ('i', 'b', 'v')
        ) as parameters
      from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where n.nspname = $1 and pg_catalog.has_function_privilege(p.oid, 'execute')
    ) f
  )`;

/** The `routineKey`s of what `executableRoutines` read. */
export function routineKeys(routines: readonly ExecutableRoutine[]): ReadonlySet<string> {
  return new Set(routines.map(({ name, parameters }) => nameKey(name, parameters.join())));
}

/**
 * The key of an overload. Overloads differ in the names of their parameters; otherwise no call by name could choose
 * one.
 */
export function routineKey({ name, parameters }: Routine): string {
  return nameKey(name, parameters.map((parameter) => parameter.name).join());
}
