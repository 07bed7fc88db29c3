import { stat } from 'node:fs/promises';
import path from 'node:path';
import {
  agentsTarget,
  mapAgentRow,
  mapTaskRow,
  mapTurnRow,
  mapUserRow,
  mapWorkflowRow,
  tasksTarget,
  usersTarget,
  workflowsTarget,
} from './application-tables.ts';
import type { MappedRow } from './application-tables.ts';
import { knowledgeContent, knowledgeTarget, mapKnowledge } from './agent-knowledge.ts';
import type { MappedKnowledge } from './agent-knowledge.ts';
import { refuseItem } from './quarantine.ts';
import type { Refusal } from './quarantine.ts';
import { makePoint, pointImportRow, pointKey, pointsTarget } from './points.ts';
import { makePlaces } from './point-places.ts';
import { Cells, RowRefused, rowJson, rowText } from './sqlite-cells.ts';
import { withSqlite } from './sqlite.ts';
import type { SqliteRow } from './sqlite.ts';
import type { FileContent, ImportRow, SourceFile, Store } from './store.ts';
import { turnsTarget } from './turns.ts';

/** The application database of the legacy system. */
export const applicationDatabase = 'agentlightning.db';

/** Returns the content of a table, of whose rows each is mapped or refused. */
type ReadRows = (rows: Iterable<SqliteRow>) => Pick<FileContent, 'rows' | 'refusals'>;

/**
 * A table of the application database as a store. A file that is not SQLite or damaged is refused as a whole, by the store of
 * agents.
 */
function tableStore(
  table: string,
  target: Store['target'],
  readRows: ReadRows,
  prepare?: Store['prepare'],
): Store {
  const reportsFile = table === 'agents';
  return {
    name: `${table} (${applicationDatabase})`,
    looksFor: applicationDatabase,
    entries: [applicationDatabase],
    find: async (root) => {
      const tables = await tablesIn(root);
      const isFound = tables === 'damaged' ? reportsFile : (tables.get(table) ?? 0) > 0;
      return isFound ? { files: [applicationDatabase], strangers: [] } : null;
    },
    read: async (files) =>
      Promise.all(
        files.map(async ({ path: file, full }: SourceFile): Promise<FileContent> => {
          try {
            return await withSqlite(full, ({ rows }) => ({ path: file, ...readRows(rows(table)) }));
          } catch (error) {
            const reason = `the file cannot be read as SQLite 3: ${error instanceof Error ? error.message : String(error)}`;
            const refusal: Refusal = { file, index: null, reason, original: { unopened: true } };
            return { path: file, rows: [], refusals: [refusal] };
          }
        }),
      ),
    target,
    ...(prepare && { prepare }),
  };
}

/** The tables of the application database in a folder, and how many rows each has. An empty map when there is none. */
async function tablesIn(root: string): Promise<ReadonlyMap<string, number> | 'damaged'> {
  const file = path.join(root, applicationDatabase);
  const entry = await stat(file).catch(() => null);
  if (!entry?.isFile()) return new Map();
  try {
    return await withSqlite(file, ({ tables }) => new Map(tables.map(({ name, rows }) => [name, rows])));
  } catch {
    return 'damaged';
  }
}

/** The tables with rows that no store takes, and how many rows they have. */
export async function otherTables(root: string): Promise<{ name: string; rows: number }[]> {
  const tables = await tablesIn(root);
  if (tables === 'damaged') return [];
  const taken = new Set([applicationAgents, ...applicationTables].map(({ name }) => name));
  return [...tables]
    .filter(([name, rows]) => rows > 0 && !taken.has(`${name} (${applicationDatabase})`))
    .map(([name, rows]) => ({ name, rows }));
}

/** Reads rows by a function for one. Two rows that stand for the same id are told apart by nothing, so the second is refused. */
function byRow(map: (cells: Cells) => MappedRow, keyOf: (id: string) => string = (id) => id): ReadRows {
  return (rows) => {
    const mapped: ImportRow[] = [];
    const refusals: Refusal[] = [];
    const seen = new Set<string>();
    let index = 0;
    for (const row of rows) {
      const item = { index, text: rowText(row) };
      index += 1;
      try {
        const { id, ...rest } = map(new Cells(row));
        if (seen.has(keyOf(id)))
          throw new RowRefused(
            `another row has the id ${JSON.stringify(id)}, or one that stands for the same UUID`,
          );
        seen.add(keyOf(id));
        mapped.push({ ...item, ...rest });
      } catch (error) {
        if (!(error instanceof RowRefused)) throw error;
        refusals.push(refuseItem(applicationDatabase, item, error.message));
      }
    }
    return { rows: mapped, refusals };
  };
}

/** Postgres reads a UUID in several ways. */
function uuidKey(id: string): string {
  const bare = id.replaceAll(/[-{}]/g, '').toLowerCase();
  return /^[0-9a-f]{32}$/.test(bare) ? bare : id;
}

/** Items of knowledge keep their ids by the same rules as those of files. */
const readKnowledge: ReadRows = (rows) => {
  const mapped: MappedKnowledge[] = [];
  const refusals: Refusal[] = [];
  let index = 0;
  for (const row of rows) {
    const item = { index, text: rowText(row) };
    index += 1;
    try {
      mapped.push(mapKnowledgeRow(new Cells(row), item));
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      refusals.push(refuseItem(applicationDatabase, item, error.message));
    }
  }
  const [content] = knowledgeContent([{ path: applicationDatabase, refusals, mapped }]);
  return { rows: content?.rows ?? [], refusals };
};

function mapKnowledgeRow(
  cells: Cells,
  item: { readonly index: number; readonly text: string },
): MappedKnowledge {
  const agentId = cells.text('agent_id');
  const lastUsedAt = cells.time('last_used_at');
  const value = {
    id: cells.text('id'),
    category: cells.text('category'),
    content: cells.text('content'),
    source: cells.text('source'),
    timestamp: cells.text('created_at'),
    metadata: cells.json('metadata') ?? {},
    usage_count: cells.number('usage_count'),
    relevance_score: cells.number('relevance_score'),
    ...cells.others(),
  };
  const row = mapKnowledge(agentId, value, { clock: 'Z', lastUsedAt });
  if (typeof row === 'string') throw new RowRefused(row);
  return { row, item: { ...item, value } };
}

/** Each row is a measurement of its own, also where several agree in all but their ids. */
const readMetrics: ReadRows = (rows) => {
  const read: ImportRow[] = [];
  const refusals: Refusal[] = [];
  const places = new Map<string, number>();
  let index = 0;
  for (const row of rows) {
    const item = { index, text: rowText(row) };
    index += 1;
    try {
      const cells = new Cells(row);
      const point = makePoint(
        {
          service: cells.text('service_name'),
          metric: cells.text('metric_name'),
          value: rowJson(row)['value'],
          tags: cells.object('tags') ?? {},
          time: cells.text('timestamp'),
        },
        { service: 'service_name', metric: 'metric_name', time: 'timestamp' },
      );
      if (typeof point === 'string') throw new RowRefused(point);
      const key = pointKey(point);
      const place = places.get(key) ?? 0;
      places.set(key, place + 1);
      read.push(pointImportRow(point, item, { place, repeats: false }));
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      refusals.push(refuseItem(applicationDatabase, item, error.message));
    }
  }
  return { rows: read, refusals };
};

/** The agents of the application database, to which everything else may refer. */
export const applicationAgents: Store = tableStore('agents', agentsTarget, byRow(mapAgentRow));

/** Its other tables that have a place here, in the order in which they refer to each other. */
export const applicationTables: readonly Store[] = [
  tableStore('knowledge', knowledgeTarget, readKnowledge),
  tableStore('tasks', tasksTarget, byRow(mapTaskRow, uuidKey)),
  tableStore('workflows', workflowsTarget, byRow(mapWorkflowRow, uuidKey)),
  tableStore('users', usersTarget, byRow(mapUserRow)),
  tableStore('conversations', turnsTarget, byRow(mapTurnRow)),
  tableStore('metrics', pointsTarget, readMetrics, makePlaces),
];
