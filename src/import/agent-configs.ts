import { isJsonObject, readJson } from './json-items.ts';
import type { JsonItem, JsonValue } from './json-items.ts';
import { jsonFilesIn, stem } from './json-folder.ts';
import { refuseItem, refuseUnreadable } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { sha256 } from './sha256.ts';
import { jsonProblem, textProblem } from './storable.ts';
import type { FileContent, ImportRow, SourceFile, Store } from './store.ts';

const folder = '.agent-configs';

/** A row of `agents` before it is loaded. */
export interface AgentRow {
  readonly id: string;
  readonly name: string;
  readonly model: string;
  readonly specialization: string | null;
  /** The whole definition without its name and model. */
  readonly config: { readonly [key: string]: JsonValue };
}

/** Agents: one definition per file, and the stem of the file's name is the agent's id. */
export const agentConfigs: Store = {
  name: 'agents',
  looksFor: `${folder}/*.json`,
  entries: [folder],
  find: (root) => jsonFilesIn(root, folder),
  read: (files) => files.map(readFile),
  target: {
    table: 'app_public.agents',
    columns: ['id', 'name', 'model', 'specialization', 'config'],
    insert: `
      insert into app_public.agents (id, name, model, specialization, config)
      select r.id, r.name, r.model, r.specialization, r.config::jsonb
      from pg_temp.import_rows r
      where r.ordinal::integer between $1 and $2
      on conflict (tenant_id, id) do nothing`,
    // The status is not compared, because agents live on after the import.
    compare: `
      select r.ordinal::integer as ordinal, a.id as stored_id,
        case when a.id is null then '{}' else array_remove(array[
          case when a.name is distinct from r.name then 'name' end,
          case when a.model is distinct from r.model then 'model' end,
          case when a.specialization is distinct from r.specialization then 'specialization' end,
          case when a.config is distinct from r.config::jsonb then 'config' end
        ], null) end as differs
      from pg_temp.import_rows r
      left join app_public.agents a on a.id = r.id
      order by 1`,
    hashed: ['t.name', "t.config ->> 'description'", "t.config ->> 'system_prompt'"],
  },
};

/** Returns a definition's row, or the reason why it cannot be stored. */
export function mapAgent(id: string, value: JsonValue): AgentRow | string {
  if (!isJsonObject(value)) return 'the definition is not a JSON object';
  const { name = id, model, ...config } = value;
  if (id === '') return 'the file name has no stem to be the id';
  if (typeof name !== 'string') return 'name is not a string';
  if (typeof model !== 'string') return model === undefined ? 'model is missing' : 'model is not a string';
  return (
    textProblem('the id (the file name)', id, 50) ??
    textProblem('name', name, 100) ??
    textProblem('model', model, 50) ??
    jsonProblem('config', config) ?? { id, name, model, specialization: specialization(config), config }
  );
}

/**
 * One word for an agent's purpose: its role, or for `custom`, which says nothing, the first domain of its
 * knowledge. Null when that word is not a string or is longer than the column. It only helps in lists; `config`
 * has the whole definition.
 */
function specialization({ role, knowledge_base: base }: AgentRow['config']): string | null {
  const domains = isJsonObject(base) ? base['domains'] : undefined;
  const [domain] = Array.isArray(domains) ? domains : [];
  const word = typeof role === 'string' && role !== 'custom' && role !== '' ? role : domain;
  return typeof word === 'string' && word !== '' && textProblem('specialization', word, 50) === null
    ? word
    : null;
}

function readFile({ path, bytes }: SourceFile): FileContent {
  const { items, unreadable } = readJson(bytes);
  const rows: ImportRow[] = [];
  const refusals: Refusal[] = unreadable.map((part) => refuseUnreadable(path, part));
  for (const item of items) {
    const agent = mapAgent(stem(path), item.value);
    if (typeof agent === 'string') refusals.push(refuseItem(path, item, agent));
    else rows.push(importRow(agent, item));
  }
  return { path, rows, refusals };
}

function importRow({ id, name, model, specialization: word, config }: AgentRow, item: JsonItem): ImportRow {
  return {
    index: item.index,
    text: item.text,
    owner: null,
    values: [id, name, model, word, JSON.stringify(config)],
    hashes: [sha256(name), hashOf(config['description']), hashOf(config['system_prompt'])],
  };
}

/**
 * Hashes strings only. How Postgres writes another value as text is its own choice, so `compare` compares
 * those.
 */
function hashOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? sha256(value) : null;
}
