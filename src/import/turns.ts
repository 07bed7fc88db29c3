import { sha256 } from './sha256.ts';
import type { JsonValue } from './json-items.ts';
import { jsonProblem, textProblem } from './storable.ts';
import type { ImportRow, Target } from './store.ts';

/** A question and its answer, before they become two messages of a thread. Numbers are as written. */
export interface TurnRow {
  readonly id: string;
  readonly taskId: string | null;
  readonly agentId: string | null;
  readonly userQuery: string;
  readonly agentResponse: string;
  readonly context: JsonValue;
  readonly knowledgeMetadata: JsonValue;
  readonly success: boolean | null;
  readonly knowledgeUsed: string | null;
  readonly rlEnhanced: boolean | null;
  readonly createdAt: string;
  /** Whether the answer was cut when the legacy system saved it. */
  readonly truncated: boolean;
  readonly userQueryEncrypted: string | null;
  readonly agentResponseEncrypted: string | null;
}

/** Turns of conversations. The database's own rule for the legacy views puts them into threads: legacy.add_turn. */
export const turnsTarget: Target = {
  table: 'legacy.conversations',
  columns: [
    'id',
    'task_id',
    'agent_id',
    'user_query',
    'agent_response',
    'context',
    'knowledge_metadata',
    'success',
    'knowledge_used',
    'rl_enhanced',
    'created_at',
    'answer',
    'user_query_encrypted',
    'agent_response_encrypted',
  ],
  insert: `
    select legacy.add_turn(
      row(r.id, r.task_id, r.agent_id, r.user_query, r.agent_response, r.context::jsonb, r.knowledge_metadata::jsonb,
        r.success::boolean, r.knowledge_used::numeric::integer, r.rl_enhanced::boolean, r.created_at::timestamptz,
        r.user_query_encrypted, r.agent_response_encrypted)::legacy.conversations,
      r.answer::jsonb)
    from (
      select r.* from pg_temp.import_rows r
      where r.ordinal between $1 and $2 and not exists (select from legacy.turns c where c.id = r.id)
      order by r.ordinal
    ) r`,
  compare: `
    select r.ordinal, c.id as stored_id,
      case when c.id is null then '{}' else array_remove(array[
        case when c.task_id is distinct from r.task_id then 'task_id' end,
        case when c.agent_id is distinct from r.agent_id then 'agent_id' end,
        case when c.user_query is distinct from r.user_query then 'user_query' end,
        case when c.agent_response is distinct from r.agent_response then 'agent_response' end,
        case when c.context is distinct from r.context::jsonb then 'context' end,
        case when c.knowledge_metadata is distinct from r.knowledge_metadata::jsonb then 'knowledge_metadata' end,
        case when c.success is distinct from r.success::boolean then 'success' end,
        case when c.knowledge_used is distinct from r.knowledge_used::numeric::integer then 'knowledge_used' end,
        case when c.rl_enhanced is distinct from r.rl_enhanced::boolean then 'rl_enhanced' end,
        case when c.created_at is distinct from r.created_at::timestamptz then 'created_at' end
      ], null) end as differs
    from pg_temp.import_rows r
    left join legacy.conversations c on c.id = r.id
    order by 1`,
  hashed: ['t.user_query', 't.agent_response'],
};

/** The reason why a turn cannot be stored, or null. */
export function turnProblem(turn: TurnRow): string | null {
  return (
    textProblem('id', turn.id, 36) ??
    (turn.taskId === null ? null : textProblem('task_id', turn.taskId, 255)) ??
    (turn.agentId === null ? null : textProblem('the agent', turn.agentId, 50)) ??
    jsonProblem('context', turn.context) ??
    jsonProblem('knowledge_metadata', turn.knowledgeMetadata)
  );
}

/** The turn as a row of the target. */
export function turnImportRow(turn: TurnRow, { index, text }: Pick<ImportRow, 'index' | 'text'>): ImportRow {
  return {
    index,
    text,
    owner: turn.agentId,
    values: [
      turn.id,
      turn.taskId,
      turn.agentId,
      turn.userQuery,
      turn.agentResponse,
      turn.context === null ? null : JSON.stringify(turn.context),
      turn.knowledgeMetadata === null ? null : JSON.stringify(turn.knowledgeMetadata),
      turn.success === null ? null : String(turn.success),
      turn.knowledgeUsed,
      turn.rlEnhanced === null ? null : String(turn.rlEnhanced),
      turn.createdAt,
      JSON.stringify(turn.truncated ? { truncated: true } : {}),
      turn.userQueryEncrypted,
      turn.agentResponseEncrypted,
    ],
    hashes: [sha256(turn.userQuery), sha256(turn.agentResponse)],
  };
}
