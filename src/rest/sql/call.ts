import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { Parameter } from '../../schema-cache/routine.ts';
import { returnsScalar, returnsSetOfScalar } from '../../schema-cache/routine.ts';
import type { ArgumentValue, CallPlan } from '../plan/plan.ts';
import { column } from './field.ts';
import {
  fragment,
  identifier,
  isNothing,
  join,
  nothing,
  parameter,
  qualified,
  verbatim,
} from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { payloadName, payloadRows } from './payload.ts';

// These names are PostgREST's, because clients see them: the first in messages about columns that a function does not
// return, the second as the heading of a scalar's CSV.
const callName: QualifiedName = { schema: '', name: 'pgrst_call' };
/** The column that holds the value returned by a scalar function. */
export const scalarColumn = 'pgrst_scalar';

/** The call of the function, returning its rows: the statement inside `with`. PostgREST, Functions as RPC. */
export function callQuery(plan: CallPlan): Fragment {
  const { routine } = plan;
  const isScalar = returnsScalar(routine) || returnsSetOfScalar(routine);
  const { rows, list } = callArguments(plan);
  const call = fragment`${qualified({ schema: routine.schema, name: routine.name })}(${list})`;
  const called = isScalar ? fragment`(select ${call} as ${identifier(scalarColumn)})` : call;
  const from = isNothing(rows) ? called : fragment`${rows}, lateral ${called}`;
  return fragment`select ${isScalar ? column(callName, scalarColumn) : resultColumns(plan)} from ${from} as ${qualified(
    callName,
  )}`;
}

/** The arguments, and the `from` item that they come from if that is the body. */
function callArguments({ routine, parameters, arguments: given }: CallPlan): {
  rows: Fragment;
  list: Fragment;
} {
  if (parameters.kind === 'single-unnamed') {
    // Only a form, or a query string with a nameless parameter, gets here without a body.
    const value = given.kind === 'body' ? given.body : JSON.stringify(Object.fromEntries(given.values));
    return { rows: nothing, list: singleArgument(value, parameters.parameter) };
  }
  if (parameters.parameters.length === 0) return { rows: nothing, list: nothing };
  const named = (value: (of: Parameter) => Fragment): Fragment =>
    join(
      parameters.parameters.map((of) => {
        const variadic = of.variadic ? verbatim('variadic ') : nothing;
        return fragment`${variadic}${identifier(of.name)} => ${value(of)}`;
      }),
      ', ',
    );
  if (given.kind === 'direct')
    return { rows: nothing, list: named((of) => directArgument(of, given.values.get(of.name))) };
  const columns = parameters.parameters.map(({ name, typeWithoutLength }) => ({
    name,
    type: typeWithoutLength,
    transform: null,
    defaultExpression: null,
  }));
  const bodyName = payloadName(routine);
  const body = given.body === null || typeof given.body === 'string' ? given.body : given.body.toString();
  return {
    // Of several objects, only the first counts.
    rows: payloadRows(bodyName, body, columns, { applyDefaults: false, firstOnly: true }),
    list: named(({ name }) => column({ schema: '', name: bodyName }, name)),
  };
}

function directArgument({ typeWithoutLength }: Parameter, value: ArgumentValue | undefined): Fragment {
  if (value === undefined) return verbatim('null');
  const type = verbatim(typeWithoutLength);
  return typeof value === 'string'
    ? fragment`${parameter(value)}::${type}`
    : fragment`${parameter([...value])}::text[]::${type}`;
}

/**
 * Sends bytes as bytes if the type takes them as they are: Postgres then checks that text is UTF-8. The binary
 * formats of other types differ from what the client sent, so those types get text.
 */
function singleArgument(body: string | Buffer | null, { type }: Parameter): Fragment {
  const takesBytes = type === 'bytea' || type === 'text';
  const value =
    body instanceof Buffer && !takesBytes
      ? body.toString()
      : typeof body === 'string' && type === 'bytea'
        ? Buffer.from(body)
        : body;
  return fragment`${parameter(value)}::${verbatim(type)}`;
}

/** The columns that the answer needs from the rows: `*` alone, or the names, each once. */
function resultColumns({ returning }: CallPlan): Fragment {
  if (returning.length === 0) return verbatim('*');
  const names = returning.includes('*') ? ['*'] : returning;
  return join(
    names.map((name) => column(callName, name)),
    ', ',
  );
}
