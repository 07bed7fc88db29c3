import { nameKey } from '../../schema-cache/identifier.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { NameIndex } from './did-you-mean.ts';
import { nameIndex } from './did-you-mean.ts';

/** From this number of tables on, a schema's tables are not suggested, as in PostgREST. */
const tooManyTables = 500;

/** The kinds of names. `origins`: relations that have a relationship into the schema. */
export type NameKind = 'tables' | 'routines' | 'origins';

const namesOfSnapshots = new WeakMap<SchemaCache, Map<string, NameIndex>>();

/** A schema's names of one kind, for hints. They are read on first use and kept as long as the snapshot. */
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
