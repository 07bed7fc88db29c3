import type { Reference } from '../export/load-plan.ts';
import { CannotExport } from '../export/export-database.ts';

/** The rows that go along: tables by their full names, with the condition on the rows of `t`; empty: every row. */
export type Part = ReadonlyMap<string, string>;

/** Who may come in, and what is kept for how long: without them nothing else would work as before. */
const always: readonly string[] = [
  'app_public.tenants',
  'app_private.api_keys',
  'app_public.sessions',
  'legacy.users',
  'ops.retention_policies',
  'ops.retention_overrides',
  'ops.retention_holds',
  'ops.tenant_removals',
];

/**
 * Tasks that are open; those of workflows, because their steps name them; and those with an idempotency key, because a call that is repeated has to
 * find them.
 */
const openTasks = `(t.status in ('pending', 'assigned', 'running') or t.workflow_id is not null or t.idempotency_key is not null)`;

/** What an operator takes along who names nothing: the specification's critical data. */
const critical: Part = new Map([
  ['app_public.agents', ''],
  ['app_public.knowledge', ''],
  ['app_public.workflows', ''],
  ['app_public.workflow_steps', ''],
  ['app_public.tasks', openTasks],
  ['app_public.task_leases', ''],
]);

/** What the services of the legacy system keep beside a row, which goes where the row goes. */
const companions: ReadonlyMap<
  string,
  { readonly of: string; readonly key: string; readonly column: string }
> = new Map([
  ['legacy.agent_fields', { of: 'app_public.agents', key: 'id', column: 'agent_id' }],
  ['legacy.task_fields', { of: 'app_public.tasks', key: 'id', column: 'task_id' }],
  ['legacy.workflow_fields', { of: 'app_public.workflows', key: 'id', column: 'workflow_id' }],
]);

/** Tables that jobs compute from others. They are never taken along, and are computed anew where points come in. */
export const computedTables: ReadonlySet<string> = new Set([
  'app_public.metrics_minute',
  'app_public.metrics_hour',
  'app_public.metrics_day',
  'ops.metric_changes',
  'ops.metric_floors',
]);

/**
 * Chooses the rows that go along: the critical ones, or those of `named` tables (without a schema, of app_public) with every table that these refer to. `carried`
 * are the tables that an export can carry. Throws CannotExport for a table that cannot go along.
 */
export function choosePart(
  carried: readonly string[],
  references: readonly Reference[],
  named: readonly string[] | null,
): Part {
  const part = new Map<string, string>(always.map((name) => [name, '']));
  for (const [name, where] of critical) if (named === null) part.set(name, where);
  for (const given of named ?? []) {
    const name = given.includes('.') ? given : `app_public.${given}`;
    if (computedTables.has(name))
      throw new CannotExport(`${name} is computed from other tables; expected the name of one that is not`);
    if (!carried.includes(name))
      throw new CannotExport(
        `there is no table ${name} that could go along; expected one of ${carried.join(', ')}`,
      );
    addWhole(part, name, references);
  }
  for (const [name, { of, key, column }] of companions) {
    const where = part.get(of);
    if (where === undefined) continue;
    part.set(
      name,
      where === ''
        ? ''
        : `(t.tenant_id, t.${column}) in (select t.tenant_id, t.${key} from ${of} t where ${where})`,
    );
  }
  // A database of an older schema may lack one.
  return new Map([...part].filter(([name]) => carried.includes(name)));
}

/** Adds every row of a table, and of the tables that its rows refer to. */
function addWhole(part: Map<string, string>, name: string, references: readonly Reference[]): void {
  if (part.get(name) === '') return;
  part.set(name, '');
  for (const { from, to } of references) if (from === name) addWhole(part, to, references);
}
