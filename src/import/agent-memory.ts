import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isCount, isJsonObject, numberText, readJsonArray } from './json-items.ts';
import type { JsonItem, JsonValue } from './json-items.ts';
import { canonical } from './knowledge-ids.ts';
import { legacyInstant } from './local-time.ts';
import { refuseItem, refuseUnreadable } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { sha256 } from './sha256.ts';
import type { FileContent, ImportRow, SourceFile, Store } from './store.ts';
import { turnImportRow, turnProblem, turnsTarget } from './turns.ts';
import type { TurnRow } from './turns.ts';

const folder = '.agent-memory';
const history = 'conversation_history.json';
/** Counted, and not stored: nothing here takes them. */
export const projectMemories = `${folder}/project_memories.json`;

/** Characters (code points) of an answer that the legacy system saved. */
const savedCharacters = 1_000;

/** Conversations: an array of turns, each a question and its answer, in the order in which they were said. */
export const agentMemory: Store = {
  name: 'conversations',
  looksFor: `${folder}/${history}`,
  entries: [folder],
  find: async (root) => {
    const entries = await readdir(path.join(root, folder)).catch(() => null);
    if (!entries) return null;
    const paths = entries.toSorted().map((entry) => `${folder}/${entry}`);
    const isHistory = (file: string): boolean => file === `${folder}/${history}`;
    return {
      files: paths.filter(isHistory),
      strangers: paths.filter((file) => !isHistory(file) && file !== projectMemories),
    };
  },
  read: (files) => files.map(readFile),
  target: turnsTarget,
};

function readFile({ path: file, bytes, clock }: SourceFile): FileContent {
  const { items, unreadable } = readJsonArray(bytes);
  const rows: ImportRow[] = [];
  const refusals: Refusal[] = unreadable.map((part) => refuseUnreadable(file, part));
  const seen = new Map<string, number>();
  for (const item of items) {
    const turn = mapTurn(turnId(item, seen), item.value, clock);
    if (typeof turn === 'string') refusals.push(refuseItem(file, item, turn));
    else rows.push(turnImportRow(turn, item));
  }
  return { path: file, rows, refusals };
}

/** Turns have no id. This one follows from all that the item says; equal items are numbered. */
function turnId({ value }: JsonItem, seen: Map<string, number>): string {
  const whole = canonical(value);
  const number = seen.get(whole) ?? 0;
  seen.set(whole, number + 1);
  const hash = sha256(number === 0 ? whole : `${whole}\n${number}`);
  return hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Returns an item's turn, or the reason why it cannot be stored. */
export function mapTurn(id: string, value: JsonValue, clock?: string): TurnRow | string {
  if (!isJsonObject(value)) return 'the item is not a JSON object';
  const {
    timestamp,
    agent = null,
    user_query: userQuery,
    agent_response: agentResponse,
    task_id: taskId = null,
    knowledge_used: used = null,
    success = null,
    metadata,
    ...others
  } = value;
  if (typeof userQuery !== 'string') return notAText('user_query', userQuery);
  if (typeof agentResponse !== 'string') return notAText('agent_response', agentResponse);
  if (agent !== null && typeof agent !== 'string') return 'agent is not a string';
  if (taskId !== null && typeof taskId !== 'string') return 'task_id is not a string';
  if (success !== null && typeof success !== 'boolean') return 'success is neither true nor false';
  if (used !== null && !isCount(used)) return 'knowledge_used is not a whole number from 0 to 2147483647';
  if (typeof timestamp !== 'string') return notAText('timestamp', timestamp);
  const created = legacyInstant(timestamp, clock);
  if (!created)
    return `timestamp is ${JSON.stringify(timestamp.slice(0, 60))}; expected an ISO 8601 date and time`;

  // As with knowledge, what has no column is kept below `legacy`, which belongs to the import.
  const plain = isJsonObject(metadata) && !Object.hasOwn(metadata, 'legacy');
  const legacy = {
    ...(plain || metadata === undefined ? {} : { metadata }),
    ...(Object.keys(others).length === 0 ? {} : { others }),
    ...(created.exact ? {} : { timestamp }),
  };
  const turn = {
    id,
    taskId,
    agentId: agent,
    userQuery,
    agentResponse,
    context: { ...(plain ? metadata : {}), ...(Object.keys(legacy).length === 0 ? {} : { legacy }) },
    knowledgeMetadata: null,
    success,
    knowledgeUsed: used === null ? null : numberText(used),
    rlEnhanced: null,
    createdAt: created.text,
    truncated: [...agentResponse].length === savedCharacters,
    userQueryEncrypted: null,
    agentResponseEncrypted: null,
  };
  return turnProblem(turn) ?? turn;
}

function notAText(what: string, value: JsonValue | undefined): string {
  return value === undefined ? `${what} is missing` : `${what} is not a string`;
}
