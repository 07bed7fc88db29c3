import { isCount, isJsonNumber, isJsonObject, numberText, readJsonArray } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { jsonFilesIn, stem } from './json-folder.ts';
import { knowledgeIds } from './knowledge-ids.ts';
import type { KnowledgeIds } from './knowledge-ids.ts';
import { legacyInstant } from './local-time.ts';
import { refuseItem, refuseUnreadable } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { sha256 } from './sha256.ts';
import { doubleProblem, jsonProblem, textProblem } from './storable.ts';
import type { FileContent, ImportRow, SourceFile, Store, Target } from './store.ts';

const folder = '.agent-knowledge';

/** A row of `knowledge` before it has an id of its own. Numbers are as written. */
export interface KnowledgeRow {
  readonly agentId: string | null;
  /** The id in the file, which is not always unique. */
  readonly id: string;
  readonly category: string | null;
  readonly content: string;
  readonly source: string | null;
  readonly metadata: { readonly [key: string]: JsonValue };
  /** Members without a column. They become part of `metadata.legacy`. */
  readonly legacy: { readonly [key: string]: JsonValue };
  readonly usageCount: string;
  readonly relevanceScore: string;
  readonly createdAt: string;
  readonly lastUsedAt: string | null;
}

/** An item of knowledge and its row. */
export interface MappedKnowledge {
  readonly row: KnowledgeRow;
  readonly item: Pick<ImportRow, 'index' | 'text'> & {
    readonly value: { readonly [key: string]: JsonValue };
  };
}

/**
 * Each row with the id of its stored row, if it is stored. The derived id contains the item's hash, so the row
 * under it is the item, unless its metadata contradicts. The row under the plain id is the item if its metadata
 * says so. If the identity has been removed from the metadata, that row is the item if it agrees in everything
 * that could not agree by chance.
 */
const resolved = `
  select r.*, r.ordinal::integer as number, plain.id as plain_taken, derived.id as derived_taken,
    case
      when derived.id is not null
        and coalesce(derived.metadata #>> '{legacy,identity}', r.identity) = r.identity then derived.id
      when plain.metadata #>> '{legacy,identity}' = r.identity then plain.id
      when plain.metadata #>> '{legacy,identity}' is null and r.first::boolean
        and plain.content = r.content and plain.source is not distinct from r.source
        and plain.created_at = r.created_at::timestamptz then plain.id
    end as stored_id
  from pg_temp.import_rows r
  left join app_public.knowledge plain on plain.id = r.plain_id
  left join app_public.knowledge derived on derived.id = r.derived_id`;

/** Items of knowledge, whichever source they come from. */
export const knowledgeTarget: Target = {
  table: 'app_public.knowledge',
  columns: [
    'plain_id',
    'derived_id',
    'first',
    'identity',
    'agent_id',
    'category',
    'content',
    'source',
    'metadata',
    'usage_count',
    'relevance_score',
    'created_at',
    'last_used_at',
  ],
  insert: `
      insert into app_public.knowledge
        (id, agent_id, category, content, source, metadata, usage_count, relevance_score, created_at, last_used_at)
      select case when r.first::boolean and r.plain_taken is null then r.plain_id else r.derived_id end,
        r.agent_id, r.category, r.content, r.source, r.metadata::jsonb, r.usage_count::numeric::integer,
        r.relevance_score::double precision, r.created_at::timestamptz, r.last_used_at::timestamptz
      from (${resolved}) r
      where r.stored_id is null and r.number between $1 and $2
      on conflict (tenant_id, id) do nothing`,
  compare: `
      select r.number as ordinal, r.stored_id,
        case when k.id is null then '{}' else array_remove(array[
          case when k.agent_id is distinct from r.agent_id then 'agent_id' end,
          case when k.category is distinct from r.category then 'category' end,
          case when k.content is distinct from r.content then 'content' end,
          case when k.source is distinct from r.source then 'source' end,
          case when k.metadata is distinct from r.metadata::jsonb then 'metadata' end,
          case when k.usage_count is distinct from r.usage_count::numeric::integer then 'usage_count' end,
          case when k.relevance_score is distinct from r.relevance_score::double precision then 'relevance_score' end,
          case when k.created_at is distinct from r.created_at::timestamptz then 'created_at' end,
          case when k.last_used_at <> r.last_used_at::timestamptz then 'last_used_at' end
        ], null) end as differs
      from (${resolved}) r
      left join app_public.knowledge k on k.id = r.stored_id
      order by 1`,
  hashed: ['t.content', 't.source'],
};

/** Knowledge: an array of items per file, and the stem of the file's name is the agent that they belong to. */
export const agentKnowledge: Store = {
  name: 'knowledge',
  looksFor: `${folder}/*.json`,
  entries: [folder],
  find: (root) => jsonFilesIn(root, folder),
  read,
  target: knowledgeTarget,
};

/**
 * Returns an item's row, or the reason why it cannot be stored. A time without a zone is one of `clock`, which is by default that of the JSON
 * files.
 */
export function mapKnowledge(
  agentId: string | null,
  value: JsonValue,
  { clock, lastUsedAt = null }: { readonly clock?: string; readonly lastUsedAt?: string | null } = {},
): KnowledgeRow | string {
  if (!isJsonObject(value)) return 'the item is not a JSON object';
  const {
    id,
    category = null,
    content,
    source = null,
    timestamp,
    metadata: givenMetadata,
    usage_count: usage,
    relevance_score: relevance,
    ...others
  } = value;
  if (typeof id !== 'string' || id === '')
    return id === undefined ? 'id is missing' : 'id is not a non-empty string';
  if (typeof content !== 'string')
    return content === undefined ? 'content is missing' : 'content is not a string';
  if (category !== null && typeof category !== 'string') return 'category is not a string';
  if (source !== null && typeof source !== 'string') return 'source is not a string';
  if (typeof timestamp !== 'string')
    return timestamp === undefined ? 'timestamp is missing' : 'timestamp is not a string';
  const created = legacyInstant(timestamp, clock);
  if (!created)
    return `timestamp is ${JSON.stringify(timestamp.slice(0, 60))}; expected an ISO 8601 date and time`;

  const usageCount = usage ?? 0;
  const relevanceScore = relevance ?? 1;
  if (!isCount(usageCount)) return 'usage_count is not a whole number from 0 to 2147483647';
  if (!isJsonNumber(relevanceScore)) return 'relevance_score is not a number';

  // `legacy` belongs to the import. Metadata that already have that member, or that are not an object, are kept
  // whole below it.
  const plain = isJsonObject(givenMetadata) && !Object.hasOwn(givenMetadata, 'legacy');
  const metadata = plain ? givenMetadata : {};
  const legacy = {
    ...(plain || givenMetadata === undefined ? {} : { metadata: givenMetadata }),
    ...(Object.keys(others).length === 0 ? {} : { others }),
    ...(created.exact ? {} : { timestamp }),
  };
  return (
    (agentId === null ? null : textProblem('the id of the agent', agentId, 50)) ??
    textProblem('id', id, 100) ??
    (category === null ? null : textProblem('category', category, 50)) ??
    jsonProblem('metadata', metadata) ??
    jsonProblem('the item', legacy) ??
    doubleProblem('relevance_score', numberText(relevanceScore)) ?? {
      agentId,
      id,
      category,
      content,
      source,
      metadata,
      legacy,
      usageCount: numberText(usageCount),
      relevanceScore: numberText(relevanceScore),
      createdAt: created.text,
      lastUsedAt,
    }
  );
}

function read(files: readonly SourceFile[]): FileContent[] {
  const contents = files.map(({ path, bytes, clock }) => {
    const { items, unreadable } = readJsonArray(bytes);
    const refusals: Refusal[] = unreadable.map((part) => refuseUnreadable(path, part));
    const mapped: MappedKnowledge[] = [];
    for (const { value, ...item } of items) {
      const row = mapKnowledge(stem(path), value, { clock });
      if (typeof row === 'string') refusals.push(refuseItem(path, item, row));
      else if (isJsonObject(value)) mapped.push({ row, item: { ...item, value } });
    }
    return { path, refusals, mapped };
  });
  return knowledgeContent(contents);
}

/** Gives items their ids. All files are given at once, because items of several agents may share an id. */
export function knowledgeContent(
  files: readonly {
    readonly path: string;
    readonly refusals: readonly Refusal[];
    readonly mapped: readonly MappedKnowledge[];
  }[],
): FileContent[] {
  const ids = knowledgeIds(
    files.flatMap(({ mapped }) =>
      mapped.map(({ row, item }) => ({ agentId: row.agentId ?? '', id: row.id, value: item.value })),
    ),
  ).values();
  return files.map(({ path, refusals, mapped }) => ({
    path,
    refusals,
    rows: mapped.flatMap(({ row, item }) => {
      const { value: own } = ids.next();
      return own ? [importRow(row, own, item)] : [];
    }),
  }));
}

function importRow(
  row: KnowledgeRow,
  ids: KnowledgeIds,
  { index, text }: Pick<ImportRow, 'index' | 'text'>,
): ImportRow {
  const metadata = { ...row.metadata, legacy: { ...row.legacy, id: row.id, identity: ids.identity } };
  return {
    index,
    text,
    owner: row.agentId,
    values: [
      ids.plainId,
      ids.derivedId,
      String(ids.first),
      ids.identity,
      row.agentId,
      row.category,
      row.content,
      row.source,
      JSON.stringify(metadata),
      row.usageCount,
      row.relevanceScore,
      row.createdAt,
      row.lastUsedAt,
    ],
    hashes: [sha256(row.content), row.source === null ? null : sha256(row.source)],
  };
}
