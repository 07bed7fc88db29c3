import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { MutatePlan, ResolvedField } from '../plan/plan.ts';
import { as, column } from './field.ts';
import { conditions } from './filters.ts';
import { fragment, identifier, join, nothing, qualified, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { payloadName, payloadRows } from './payload.ts';
import { all } from './read.ts';

/** Counts the rows of an upsert that were new. Local to the transaction, as every setting of a request. */
const newRows = 'lightning.inserted';
const newSoFar = `coalesce(nullif(current_setting('${newRows}', true), ''), '0')::bigint`;
/** True for every row, which counts as new until it meets one that is there. */
const countAsNew = verbatim(`set_config('${newRows}', (${newSoFar} + 1)::text, true) <> ''`);
const countAsFound = verbatim(`set_config('${newRows}', (${newSoFar} - 1)::text, true) <> ''`);

/**
 * How many rows of an upsert were new, whatever its triggers made of them. Nothing that is returned tells: `xmax` is not
 * to be had of views and partitioned tables.
 */
export const insertedCount = verbatim(newSoFar);

/** Writes the rows and gives back what is to be returned of them: the statement inside `with`. */
export function mutateQuery(plan: MutatePlan): Fragment {
  switch (plan.kind) {
    case 'insert':
      return insertQuery(plan);
    case 'update':
      return updateQuery(plan);
    case 'delete':
      return fragment`delete from ${qualified(plan.from)}${all(conditions(plan.from, plan.where))}${returning(
        plan.from,
        plan.returning,
      )}`;
    default:
      return plan satisfies never;
  }
}

/** Whether rows that exist may be updated, so that new ones have to be told apart. */
export function isUpsert(plan: MutatePlan): plan is Extract<MutatePlan, { kind: 'insert' }> {
  return plan.kind === 'insert' && plan.onConflict?.resolution === 'merge-duplicates';
}

function insertQuery(plan: Extract<MutatePlan, { kind: 'insert' }>): Fragment {
  const { columns, body, applyDefaults } = plan;
  const payload = payloadOf(plan.into);
  const names = columns.length === 0 ? nothing : fragment` (${columnNames(columns)})`;
  const rows = payloadRows(payload.name, body, columns, { applyDefaults, firstOnly: false });
  const values = join(
    columns.map(({ name }) => column(payload, name)),
    ', ',
  );
  const from = fragment` from ${rows}${all([...conditions(payload, plan.where), ...(isUpsert(plan) ? [countAsNew] : [])])}`;
  // A table of that name would be taken for the row that was not inserted.
  const alias = plan.into.name === 'excluded' ? 'lightning_target' : null;
  const into = alias === null ? plan.into : { schema: '', name: alias };
  return fragment`insert into ${qualified(plan.into)}${as(alias)}${names} select ${values}${from}${onConflict(plan)}${returning(
    into,
    plan.returning,
  )}`;
}

/** Without a key there is nothing that rows could conflict in. */
function onConflict(plan: Extract<MutatePlan, { kind: 'insert' }>): Fragment {
  if (plan.onConflict === null || plan.onConflict.columns.length === 0) return nothing;
  const { resolution, columns: key } = plan.onConflict;
  const target = join(key.map(identifier), ', ');
  if (resolution === 'ignore-duplicates' || plan.columns.length === 0)
    return fragment` on conflict (${target}) do nothing`;
  // What the rows are equal in need not be written again: nobody has to be granted update of a key for it.
  const others = plan.columns.filter(({ name }) => !key.includes(name));
  const assignments = join(
    (others.length > 0 ? others : plan.columns).map(
      ({ name }) => fragment`${identifier(name)} = excluded.${identifier(name)}`,
    ),
    ', ',
  );
  return fragment` on conflict (${target}) do update set ${assignments} where ${countAsFound}`;
}

function updateQuery(plan: Extract<MutatePlan, { kind: 'update' }>): Fragment {
  const { into, columns, body, applyDefaults } = plan;
  // `set` needs a column. With nothing to change nothing changes, but what is selected must still exist.
  if (columns.length === 0) {
    const list = plan.returning.length === 0 ? verbatim('1') : columnList(into, plan.returning);
    return fragment`select ${list} from ${qualified(into)} where false`;
  }
  const payload = payloadOf(into);
  const assignments = join(
    columns.map(({ name }) => fragment`${identifier(name)} = ${column(payload, name)}`),
    ', ',
  );
  const rows = payloadRows(payload.name, body, columns, { applyDefaults, firstOnly: false });
  return fragment`update ${qualified(into)} set ${assignments} from ${rows}${all(conditions(into, plan.where))}${returning(
    into,
    plan.returning,
  )}`;
}

function payloadOf(target: QualifiedName): QualifiedName {
  return { schema: '', name: payloadName(target) };
}

/** Something is always returned: it is counted. */
function returning(relation: QualifiedName, names: readonly string[]): Fragment {
  return fragment` returning ${names.length === 0 ? verbatim('1') : columnList(relation, names)}`;
}

function columnList(relation: QualifiedName, names: readonly string[]): Fragment {
  return join(
    names.map((name) => column(relation, name)),
    ', ',
  );
}

function columnNames(columns: readonly ResolvedField[]): Fragment {
  return join(
    columns.map(({ name }) => identifier(name)),
    ', ',
  );
}
