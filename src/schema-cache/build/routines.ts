import type { RoutineRow } from '../catalog/routines.ts';
import { nameKey } from '../identifier.ts';
import type { Parameter, Routine } from '../routine.ts';
import { isolationLevel } from './isolation-level.ts';

/** The routines by `nameKey`, overloads with fewer parameters first. `hoisted`: names of settings, in lower case. */
export function buildRoutines(
  rows: readonly RoutineRow[],
  hoisted: ReadonlySet<string>,
): Map<string, readonly Routine[]> {
  const routines = new Map<string, Routine[]>();
  for (const row of rows) {
    const routine = toRoutine(row, hoisted);
    if (!isCallable(routine)) continue;
    const key = nameKey(row.schema, row.name);
    const overloads = routines.get(key);
    if (overloads) overloads.push(routine);
    else routines.set(key, [routine]);
  }
  for (const overloads of routines.values()) overloads.sort(compareOverloads);
  return routines;
}

function toRoutine(row: RoutineRow, hoisted: ReadonlySet<string>): Routine {
  const settings = (row.configuration ?? []).map((entry): readonly [string, string] => {
    const end = entry.indexOf('=');
    return [entry.slice(0, end), entry.slice(end + 1)];
  });
  const parameters = toParameters(row);
  return {
    schema: row.schema,
    name: row.name,
    comment: row.comment,
    parameters,
    returns: {
      setOf: row.returns_set,
      type: { schema: row.return_schema, name: row.return_type },
      // With a single OUT parameter the type is named here, but the result is still rows with one column.
      composite: row.returns_composite || (row.argument_modes ?? []).some((mode) => outputModes.has(mode)),
      compositeAlias: row.returns_domain,
    },
    volatility: volatilities[row.volatility],
    isVariadic: parameters.some((parameter) => parameter.variadic),
    isolationLevel: isolationLevel(settings.find(([name]) => name === isolationSetting)?.[1]),
    settings: settings.filter(([name]) => name !== isolationSetting && hoisted.has(name.toLowerCase())),
  };
}

const isolationSetting = 'default_transaction_isolation';
const outputModes: ReadonlySet<string> = new Set(['o', 'b', 't']);
const volatilities = { v: 'volatile', s: 'stable', i: 'immutable' } as const;

function toParameters(row: RoutineRow): Parameter[] {
  const modes = row.argument_modes ?? row.input_types.map(() => 'i');
  const inputs = modes
    .map((mode, i) => ({ mode, name: row.argument_names?.[i] ?? '' }))
    .filter(({ mode }) => mode === 'i' || mode === 'b' || mode === 'v');
  return inputs.map(({ mode, name }, i) => {
    const type = row.input_types[i]!;
    return {
      name,
      type,
      typeWithoutLength: withoutLength.get(type) ?? type,
      required: i < inputs.length - row.default_count,
      variadic: mode === 'v',
    };
  });
}

/**
 * Types to cast arguments to in place of these, which as parameters have length one and would silently cut longer
 * values.
 */
const withoutLength: ReadonlyMap<string, string> = new Map([
  ['bit', 'bit varying'],
  ['bit[]', 'bit varying[]'],
  ['character', 'character varying'],
  ['character[]', 'character varying[]'],
]);

/**
 * Whether requests can call it: arguments come by name, or the body is the only argument (PostgREST, Functions with a
 * single unnamed parameter).
 */
function isCallable({ parameters }: Routine): boolean {
  const unnamed = parameters.filter(({ name }) => name === '');
  if (unnamed.length === 0) return true;
  return parameters.length === 1 && bodyTypes.has(unnamed[0]!.type);
}

const bodyTypes: ReadonlySet<string> = new Set(['bytea', 'json', 'jsonb', 'text', 'xml']);

/** The order in which PostgREST lists overloads when it cannot choose one. */
function compareOverloads(a: Routine, b: Routine): number {
  if (a.parameters.length !== b.parameters.length) return a.parameters.length - b.parameters.length;
  return compareText(overloadKey(a), overloadKey(b));
}

function overloadKey({ comment, parameters }: Routine): string {
  return JSON.stringify([
    comment ?? '',
    ...parameters.map((p) => [p.name, p.type, p.typeWithoutLength, Number(p.required), Number(p.variadic)]),
  ]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
