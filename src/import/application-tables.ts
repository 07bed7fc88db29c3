import { isCount, numberText } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { sha256 } from './sha256.ts';
import { RowRefused } from './sqlite-cells.ts';
import type { Cells } from './sqlite-cells.ts';
import { jsonProblem, textProblem } from './storable.ts';
import type { ImportRow, Target } from './store.ts';
import { turnImportRow, turnProblem } from './turns.ts';

/** What a row is known by, the agent that it belongs to, and its values and hashes for the target. */
export type MappedRow = Pick<ImportRow, 'owner' | 'values' | 'hashes'> & { readonly id: string };

/** JSON for a jsonb column, with the columns that nothing here takes below `legacy`. Throws RowRefused. */
function withOthers(
  column: string,
  given: { readonly [key: string]: JsonValue } | null,
  cells: Cells,
): string {
  const others = cells.others();
  const hasOthers = Object.keys(others).length > 0;
  if (hasOthers && given !== null && Object.hasOwn(given, 'legacy'))
    throw new RowRefused(
      `${column} has a member legacy, and ${Object.keys(others).join(', ')} need that place`,
    );
  const value = { ...given, ...(hasOthers ? { legacy: { others } } : {}) };
  refuse(jsonProblem(column, value));
  return JSON.stringify(value);
}

function refuse(problem: string | null): void {
  if (problem !== null) throw new RowRefused(problem);
}

/** JSON for a jsonb column, or null. Throws RowRefused. */
function jsonText(column: string, value: JsonValue): string | null {
  refuse(jsonProblem(column, value));
  return value === null ? null : JSON.stringify(value);
}

/** Texts that are longer than their column are refused by a sentence. */
function texts(cells: Cells, lengths: Readonly<Record<string, number>>): (string | null)[] {
  return Object.entries(lengths).map(([column, longest]) => {
    const text = cells.text(column);
    refuse(text === null ? null : textProblem(column, text, longest));
    return text;
  });
}

const unlimited = Number.POSITIVE_INFINITY;

/** An agent, by the rules of the view legacy.agents. */
export const agentsTarget: Target = {
  table: 'app_public.agents',
  columns: [
    'id',
    'name',
    'model',
    'specialization',
    'status',
    'config_encrypted',
    'capabilities_encrypted',
    'capabilities',
    'config',
    'created_at',
  ],
  insert: `
    insert into legacy.agents
      (id, name, model, specialization, status, config, capabilities, config_encrypted, capabilities_encrypted, created_at)
    select r.id, r.name, r.model, r.specialization, r.status, r.config::jsonb, r.capabilities::jsonb, r.config_encrypted,
      r.capabilities_encrypted, r.created_at::timestamptz
    from pg_temp.import_rows r
    where r.ordinal between $1 and $2 and not exists (select from app_public.agents a where a.id = r.id)`,
  // The status is not compared, because agents live on after the import.
  compare: `
    select r.ordinal, a.id as stored_id,
      case when a.id is null then '{}' else array_remove(array[
        case when a.name is distinct from r.name then 'name' end,
        case when a.model is distinct from r.model then 'model' end,
        case when a.specialization is distinct from r.specialization then 'specialization' end,
        case when a.config is distinct from r.config::jsonb then 'config' end,
        case when a.capabilities is distinct from coalesce(r.capabilities::jsonb, '[]') then 'capabilities' end,
        case when a.created_at <> r.created_at::timestamptz then 'created_at' end
      ], null) end as differs
    from pg_temp.import_rows r
    left join legacy.agents a on a.id = r.id
    order by 1`,
  hashed: ['t.name'],
};

export function mapAgentRow(cells: Cells): MappedRow {
  const id = cells.needed('id');
  const name = cells.needed('name');
  const columns = { id: 50, name: 100, model: 50, specialization: 50, status: 20 };
  const values = texts(cells, { ...columns, config_encrypted: unlimited, capabilities_encrypted: unlimited });
  if (values[2] === null) throw new RowRefused('model is missing');
  values.push(jsonText('capabilities', cells.json('capabilities')));
  const config = cells.object('config');
  const created = cells.time('created_at');
  cells.skip('updated_at');
  values.push(withOthers('config', config, cells), created);
  return { id, owner: null, values, hashes: [sha256(name)] };
}

/** A task, by the rules of the view legacy.tasks: ids that are not UUIDs stay in legacy.task_fields. */
export const tasksTarget: Target = {
  table: 'app_public.tasks',
  columns: [
    'id',
    'agent_id',
    'description',
    'status',
    'priority',
    'error_message',
    'result',
    'started_at',
    'completed_at',
    'created_at',
    'context',
  ],
  insert: `
    insert into legacy.tasks
      (id, agent_id, description, status, priority, context, result, error_message, created_at, started_at, completed_at)
    select r.id, r.agent_id, r.description, r.status, r.priority, r.context::jsonb, r.result::jsonb, r.error_message,
      r.created_at::timestamptz, r.started_at::timestamptz, r.completed_at::timestamptz
    from pg_temp.import_rows r
    where r.ordinal between $1 and $2 and not exists (select from app_public.tasks t where t.id = legacy.id_of(r.id))`,
  // What changes as a task is worked on is not compared, because tasks live on after the import.
  compare: `
    select r.ordinal, t.id::text as stored_id,
      case when t.id is null then '{}' else array_remove(array[
        case when t.description is distinct from r.description then 'description' end,
        case when t.context is distinct from r.context::jsonb then 'context' end,
        case when t.created_at <> r.created_at::timestamptz then 'created_at' end,
        case when coalesce(f.id, t.id::text) is distinct from r.id then 'id' end
      ], null) end as differs
    from pg_temp.import_rows r
    left join app_public.tasks t on t.id = legacy.id_of(r.id)
    left join legacy.task_fields f on f.task_id = t.id
    order by 1`,
  hashed: ['t.description'],
};

export function mapTaskRow(cells: Cells): MappedRow {
  const id = cells.needed('id');
  const columns = { id: 255, agent_id: 50, description: unlimited, status: 20, priority: 20 };
  const values = texts(cells, { ...columns, error_message: unlimited });
  const [, owner = null, description = null] = values;
  if (description === null) throw new RowRefused('description is missing');
  values.push(jsonText('result', cells.json('result')));
  for (const column of ['started_at', 'completed_at', 'created_at']) values.push(cells.time(column));
  values.push(withOthers('context', cells.object('context'), cells));
  return { id, owner, values, hashes: [sha256(description)] };
}

/** A workflow, by the rules of the view legacy.workflows. */
export const workflowsTarget: Target = {
  table: 'app_public.workflows',
  columns: [
    'id',
    'name',
    'description',
    'status',
    'created_by',
    'assigned_to',
    'steps_encrypted',
    'context_encrypted',
    'steps',
    'created_at',
    'context',
  ],
  insert: `
    insert into legacy.workflows
      (id, name, description, steps, status, created_by, assigned_to, context, created_at, steps_encrypted, context_encrypted)
    select r.id, r.name, r.description, r.steps::jsonb, r.status, r.created_by, r.assigned_to, r.context::jsonb,
      r.created_at::timestamptz, r.steps_encrypted, r.context_encrypted
    from pg_temp.import_rows r
    where r.ordinal between $1 and $2 and not exists (select from app_public.workflows w where w.id = legacy.id_of(r.id))`,
  compare: `
    select r.ordinal, w.id::text as stored_id,
      case when w.id is null then '{}' else array_remove(array[
        case when w.name is distinct from r.name then 'name' end,
        case when w.description is distinct from r.description then 'description' end,
        case when w.steps is distinct from legacy.workflow_steps(r.steps::jsonb) then 'steps' end,
        case when w.context is distinct from r.context::jsonb then 'context' end,
        case when w.created_at <> r.created_at::timestamptz then 'created_at' end,
        case when coalesce(f.id, w.id::text) is distinct from r.id then 'id' end
      ], null) end as differs
    from pg_temp.import_rows r
    left join app_public.workflows w on w.id = legacy.id_of(r.id)
    left join legacy.workflow_fields f on f.workflow_id = w.id
    order by 1`,
  hashed: ['t.name'],
};

export function mapWorkflowRow(cells: Cells): MappedRow {
  const id = cells.needed('id');
  const name = cells.needed('name');
  const columns = { id: 255, name: 100, description: unlimited, status: 20, created_by: 50, assigned_to: 50 };
  const values = texts(cells, { ...columns, steps_encrypted: unlimited, context_encrypted: unlimited });
  values.push(jsonText('steps', cells.json('steps')), cells.time('created_at'));
  cells.skip('updated_at');
  values.push(withOthers('context', cells.object('context'), cells));
  return { id, owner: null, values, hashes: [sha256(name)] };
}

/** A user of the legacy system's services. */
export const usersTarget: Target = {
  table: 'legacy.users',
  columns: [
    'id',
    'username',
    'email',
    'password_hash',
    'role',
    'email_encrypted',
    'password_hash_encrypted',
    'is_active',
    'created_at',
    'updated_at',
  ],
  insert: `
    insert into legacy.users
      (id, username, email, password_hash, role, is_active, created_at, updated_at, email_encrypted, password_hash_encrypted)
    select r.id, r.username, r.email, r.password_hash, r.role, r.is_active::boolean,
      coalesce(r.created_at::timestamptz, now()), coalesce(r.updated_at::timestamptz, now()), r.email_encrypted,
      r.password_hash_encrypted
    from pg_temp.import_rows r
    where r.ordinal between $1 and $2 and not exists (select from legacy.users u where u.id = r.id)`,
  compare: `
    select r.ordinal, u.id as stored_id,
      case when u.id is null then '{}' else array_remove(array[
        case when u.username is distinct from r.username then 'username' end,
        case when u.email is distinct from r.email then 'email' end,
        case when u.password_hash is distinct from r.password_hash then 'password_hash' end,
        case when u.role is distinct from r.role then 'role' end,
        case when u.is_active is distinct from r.is_active::boolean then 'is_active' end,
        case when u.created_at <> r.created_at::timestamptz then 'created_at' end
      ], null) end as differs
    from pg_temp.import_rows r
    left join legacy.users u on u.id = r.id
    order by 1`,
  hashed: ['t.username'],
};

export function mapUserRow(cells: Cells): MappedRow {
  const id = cells.needed('id');
  const username = cells.needed('username');
  const columns = { id: 36, username: 255, email: 255, password_hash: unlimited, role: 50 };
  const values = texts(cells, { ...columns, email_encrypted: unlimited, password_hash_encrypted: unlimited });
  const active = cells.boolean('is_active');
  values.push(active === null ? null : String(active), cells.time('created_at'), cells.time('updated_at'));
  const others = Object.keys(cells.others());
  if (others.length > 0) throw new RowRefused(`nothing here takes ${others.join(', ')} of a user`);
  return { id, owner: null, values, hashes: [sha256(username)] };
}

/** A turn of a conversation. Nothing tells whether its answer was cut. */
export function mapTurnRow(cells: Cells): MappedRow {
  const id = cells.needed('id');
  const [taskId = null, agentId = null, userQuery = null, agentResponse = null, ...ciphertexts] = texts(
    cells,
    {
      task_id: 255,
      agent_id: 50,
      user_query: unlimited,
      agent_response: unlimited,
      user_query_encrypted: unlimited,
      agent_response_encrypted: unlimited,
    },
  );
  const createdAt = cells.time('created_at');
  if (userQuery === null) throw new RowRefused('user_query is missing');
  if (agentResponse === null) throw new RowRefused('agent_response is missing');
  if (createdAt === null) throw new RowRefused('created_at is missing');
  const used = cells.number('knowledge_used');
  if (used !== null && !isCount(used)) throw new RowRefused('knowledge_used is not a count');
  const turn = {
    id,
    taskId,
    agentId,
    userQuery,
    agentResponse,
    context: cells.json('context'),
    knowledgeMetadata: cells.json('knowledge_metadata'),
    success: cells.boolean('success'),
    knowledgeUsed: used === null ? null : numberText(used),
    rlEnhanced: cells.boolean('rl_enhanced'),
    createdAt,
    truncated: false,
    userQueryEncrypted: ciphertexts[0] ?? null,
    agentResponseEncrypted: ciphertexts[1] ?? null,
  };
  refuse(turnProblem(turn));
  const others = Object.keys(cells.others());
  if (others.length > 0) throw new RowRefused(`nothing here takes ${others.join(', ')} of a conversation`);
  const { owner, values, hashes } = turnImportRow(turn, { index: null, text: '' });
  return { id, owner, values, hashes };
}
