import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { MutatePlan, ResolvedField } from '../plan/plan.ts';
import { as, column } from './field.ts';
import { conditions } from './filters.ts';
import { fragment, identifier, join, nothing, qualified, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { payloadName, payloadRows } from './payload.ts';
import { all } from './read.ts';

/** Counts the new rows of an upsert. Local to the transaction, like every setting of a request. */
const newRows = 'lightning.inserted';
const newSoFar = `coalesce(nullif(current_setting('${newRows}', true), ''), '0')::bigint`;
/** True for every row. A row counts as new until it meets an existing one. */
const countAsNew = verbatim(`set_config('${newRows}', (${newSoFar} + 1)::text, true) <> ''`);
const countAsFound = verbatim(`set_config('${newRows}', (${newSoFar} - 1)::text, true) <> ''`);

/**
 * The number of new rows of an upsert, whatever its triggers made of them. The returned rows do not tell: views and
 * partitioned tables have no `xmax`.
 */
export const insertedCount = verbatim(newSoFar);

/** Writes the rows and returns the columns that are needed: the statement inside `with`. */
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

/** Whether existing rows may be updated, so that the new ones have to be told apart. */
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
  // Otherwise a table called `excluded` would be taken for the row that was not inserted.
  const alias = plan.into.name === 'excluded' ? 'lightning_target' : null;
  const into = alias === null ? plan.into : { schema: '', name: alias };
  return fragment`insert into ${qualified(plan.into)}${as(alias)}${names} select ${values}${from}${onConflict(plan)}${returning(
    into,
    plan.returning,
  )}`;
}

/** The `on conflict` clause; nothing without a key, because rows then cannot conflict. */
function onConflict(plan: Extract<MutatePlan, { kind: 'insert' }>): Fragment {
  if (plan.onConflict === null || plan.onConflict.columns.length === 0) return nothing;
  const { resolution, columns: key } = plan.onConflict;
  const target = join(key.map(identifier), ', ');
  if (resolution === 'ignore-duplicates' || plan.columns.length === 0)
    return fragment` on conflict (${target}) do nothing`;
  // The columns of the key are equal anyway and are not written again, so no role needs the privilege to update a key.
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
  // `set` needs a column. Without one nothing changes, but the selected columns must still exist.
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

/** The `returning` clause. It always returns something, because the rows are counted. */
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
