import { nameKey } from '../../schema-cache/identifier.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { NameIndex } from './did-you-mean.ts';
import { nameIndex } from './did-you-mean.ts';

/** No table is suggested in a schema of this many, as in PostgREST. */
const tooManyTables = 500;

/** What names name. `origins`: relations that any relationship into the schema starts from. */
export type NameKind = 'tables' | 'routines' | 'origins';

const namesOfSnapshots = new WeakMap<SchemaCache, Map<string, NameIndex>>();

/** A schema's names of one kind, for hints. Read when they are first asked for, and kept as long as the snapshot. */
export function catalogNames(cache: SchemaCache, kind: NameKind, schema: string): NameIndex {
  let indexes = namesOfSnapshots.get(cache);
  if (!indexes) namesOfSnapshots.set(cache, (indexes = new Map()));
  const key = nameKey(kind, schema);
  let index = indexes.get(key);
  if (!index) indexes.set(key, (index = nameIndex(namesOf[kind](cache, schema))));
  return index;
}

const namesOf: Readonly<Record<NameKind, (cache: SchemaCache, schema: string) => string[]>> = {
  tables: ({ tables }, schema) => {
    const names = [...tables.values()].filter((table) => table.schema === schema).map(({ name }) => name);
    return names.length < tooManyTables ? names : [];
  },
  routines: ({ routines }, schema) =>
    [...routines.values()].flatMap(([first]) => (first?.schema === schema ? [first.name] : [])),
  origins: ({ relationships }, schema) => {
    const origins = new Map<string, string>();
    for (const [first] of relationships.values()) {
      if (first?.foreignTable.schema !== schema) continue;
      origins.set(nameKey(first.table.schema, first.table.name), first.table.name);
    }
    return [...origins.values()];
  },
};
