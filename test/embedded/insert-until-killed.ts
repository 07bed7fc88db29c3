// A process for durability.test.ts to kill: it opens the database of a directory (a new one starts from the template
// whose path may follow) and inserts rows one by one, printing each id once its insert is acknowledged.
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { startEmbedded } from '../../src/embedded/embedded.ts';

const [, , dataDirectory = '', template] = process.argv;
const embedded = await startEmbedded({
  dataDirectory,
  template: template === undefined ? undefined : readFileSync(template),
});
const client = new Client({ connectionString: embedded.connectionString });
await client.connect();
await client.query('create table if not exists public.acknowledged (id bigint primary key)');
const { rows } = await client.query('select coalesce(max(id), 0)::int as last from public.acknowledged');
for (let id = Number(rows[0].last) + 1; ; id++) {
  await client.query('insert into public.acknowledged values ($1)', [id]);
  process.stdout.write(`${id}\n`);
}
