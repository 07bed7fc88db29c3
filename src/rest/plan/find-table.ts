import { nameKey } from '../../schema-cache/identifier.ts';
import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { Table } from '../../schema-cache/table.ts';
import { RestError } from '../errors.ts';
import { catalogNames } from './catalog-names.ts';
import { similarNames, strictScore } from './did-you-mean.ts';

/** A table or view of the catalog. Throws PGRST205. */
export function findTable(cache: SchemaCache, { schema, name }: QualifiedName): Table {
  const table = cache.tables.get(nameKey(schema, name));
  if (table !== undefined) return table;
  const [similar] = similarNames(catalogNames(cache, 'tables', schema), name, strictScore);
  throw new RestError('PGRST205', `Could not find the table '${schema}.${name}' in the schema cache`, {
    hint: similar === undefined ? null : `Perhaps you meant the table '${schema}.${similar.name}'`,
  });
}
