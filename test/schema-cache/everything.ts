import { readFile } from 'node:fs/promises';
import { loadSchemaCache } from '../../src/schema-cache/load.ts';
import type { SchemaCacheOptions } from '../../src/schema-cache/load.ts';
import type { SchemaCache } from '../../src/schema-cache/schema-cache.ts';
import type { Target } from './both-databases.ts';

/** A schema of everything.sql whose name has every character that a name may have. */
export const oddSchema = 'od"d {sch(ema)} \\ 数';

/** A type in that schema, with a name of 63 bytes. */
export const longName = `${'n'.repeat(60)}end`;

/** The schemas of everything.sql that are exposed. */
export const options: SchemaCacheOptions = {
  schemas: ['api', oddSchema],
  extraSearchPath: ['path', 'not there'],
  hoistedSettings: ['statement_timeout', 'default_transaction_isolation'],
};

/** Creates everything.sql in the database and reads its catalog. */
export async function loadEverything({ run, database }: Target): Promise<SchemaCache> {
  await run(await readFile(new URL('everything.sql', import.meta.url), 'utf8'));
  return loadSchemaCache(database, options);
}
