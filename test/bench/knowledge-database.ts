import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client, escapeIdentifier } from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import { migrate } from '../../src/db/migrations.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { makeTopicVectors, randomNumbers } from '../support/topic-vectors.ts';

/** The number of topics in the knowledge of all tenants. */
export const topicCount = 200;

/** A tenant of the benchmark. */
export interface KnowledgeTenant {
  readonly id: string;
  readonly rows: number;
  /** The topics of its knowledge. */
  readonly topics: readonly number[];
}

/** A migrated database full of knowledge. */
export interface KnowledgeDatabase {
  readonly rolePrefix: string;
  /** The API's login. */
  readonly apiUrl: string;
  /** A superuser, to whom row-level security does not apply. */
  readonly adminUrl: string;
  /** The time that the HNSW index took to build. */
  readonly indexSeconds: number;
  /** Removes the database and every role that was created for it. */
  drop(): Promise<void>;
}

/**
 * Twenty tenants: one with 90 % of the rows, one with 3 %, one with 1 %, one with 50 rows, and sixteen that share the
 * rest. The first knows every topic, the others eight each.
 */
export function knowledgeTenants(rows: number): readonly KnowledgeTenant[] {
  const random = randomNumbers(11);
  const all = Array.from({ length: topicCount }, (_, i) => i);
  const some = () => Array.from({ length: 8 }, () => Math.floor(random() * topicCount));
  const shares = [Math.round(rows * 0.9), Math.round(rows * 0.03), Math.round(rows * 0.01), 50];
  const rest = rows - shares.reduce((sum, share) => sum + share, 0);
  const sizes = [...shares, ...Array.from({ length: 16 }, (_, i) => Math.floor((rest + i) / 16))];
  return sizes.map((size, i) => ({ id: `tenant-${i}`, rows: size, topics: i === 0 ? all : some() }));
}

/** Creates the database on the server, under unique names. When this resolves it is vacuumed and analysed. */
export async function makeKnowledgeDatabase(
  adminUrl: string,
  tenants: readonly KnowledgeTenant[],
): Promise<KnowledgeDatabase> {
  const rolePrefix = `bench_${randomBytes(4).toString('hex')}`;
  const inDatabase = Object.assign(new URL(adminUrl), { pathname: `/${rolePrefix}` }).href;
  const drop = () => dropEverything(adminUrl, rolePrefix);
  try {
    const login = (kind: string) => `${rolePrefix}_login_${kind}`;
    const urls = await setupServer({
      adminUrl,
      databaseName: rolePrefix,
      rolePrefix,
      logins: {
        api: login('api'),
        migrate: login('migrate'),
        worker: login('worker'),
        backup: login('backup'),
      },
      log: () => {},
    });
    if (urls.api === null || urls.migrate === null)
      throw new Error(`the logins ${rolePrefix}_* exist already`);
    await migrate({ connectionString: urls.migrate, rolePrefix, log: () => {} });
    const client = new Client({ connectionString: inDatabase });
    await client.connect();
    try {
      const indexSeconds = await fill(client, tenants);
      return { rolePrefix, apiUrl: urls.api, adminUrl: inDatabase, indexSeconds, drop };
    } finally {
      await client.end();
    }
  } catch (error) {
    await drop();
    throw error;
  }
}

/**
 * Fills the tables with triggers off, and builds the indexes afterwards. Returns the seconds that the HNSW index took.
 */
async function fill(client: Client, tenants: readonly KnowledgeTenant[]): Promise<number> {
  await client.query('set session_replication_role to replica');
  await client.query("set maintenance_work_mem to '1GB'");
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index where indrelid = 'app_public.knowledge'::regclass and not indisprimary`,
  );
  for (const { name } of indexes) await client.query(`drop index ${name}`);
  for (const { id } of tenants) {
    await client.query('insert into app_public.tenants (id, name) values ($1, $1)', [id]);
  }
  const copy = client.query(
    copyFromStdin(
      'copy app_public.knowledge (tenant_id, id, category, content, embedding) from stdin with (format binary)',
    ),
  );
  await pipeline(Readable.from(binaryRows(tenants)), copy);
  let indexSeconds = 0;
  for (const { name, definition } of indexes) {
    const began = performance.now();
    await client.query(definition);
    if (name.endsWith('knowledge_embedding_idx')) indexSeconds = (performance.now() - began) / 1_000;
  }
  await client.query('vacuum (analyze) app_public.knowledge');
  await client.query('checkpoint');
  return indexSeconds;
}

/**
 * Writes Postgres's binary COPY format. Rows of all tenants are mixed, as they would arrive; the order is
 * deterministic.
 */
function* binaryRows(tenants: readonly KnowledgeTenant[]): Generator<Buffer> {
  const random = randomNumbers(12);
  const vectors = makeTopicVectors(topicCount, 13);
  yield Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
  const owners = Uint8Array.from(tenants.flatMap(({ rows }, i) => Array<number>(rows).fill(i)));
  for (let i = owners.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [owners[i], owners[j]] = [owners[j]!, owners[i]!];
  }
  for (const [number, owner] of owners.entries()) {
    const tenant = tenants[owner];
    if (!tenant) continue;
    const topic = tenant.topics[Math.floor(random() * tenant.topics.length)] ?? 0;
    const fields = [
      Buffer.from(tenant.id),
      Buffer.from(`item-${number}`),
      Buffer.from(`topic-${topic}`),
      Buffer.from(contentOf(topic, random)),
      vectorBytes(vectors.next(topic)),
    ];
    const row: Buffer[] = [Buffer.from([0, fields.length])];
    for (const field of fields) {
      const length = Buffer.alloc(4);
      length.writeInt32BE(field.length);
      row.push(length, field);
    }
    yield Buffer.concat(row);
  }
  yield Buffer.from([0xff, 0xff]);
}

/** Eighty words: common ones, which are more frequent, and the topic's own. */
function contentOf(topic: number, random: () => number): string {
  const words = Array.from({ length: 80 }, () => `word${Math.floor(5_000 ** random())}`);
  words[Math.floor(random() * 80)] = `topic${topic}`;
  return words.join(' ');
}

function vectorBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(4 + 4 * vector.length);
  bytes.writeInt16BE(vector.length, 0);
  for (let i = 0; i < vector.length; i++) bytes.writeFloatBE(vector[i]!, 4 + 4 * i);
  return bytes;
}

async function dropEverything(adminUrl: string, rolePrefix: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(`drop database if exists ${escapeIdentifier(rolePrefix)} with (force)`);
    const { rows } = await client.query<{ rolname: string }>(
      'select rolname from pg_roles where starts_with(rolname, $1)',
      [rolePrefix],
    );
    for (const { rolname } of rows)
      await client.query(
        `drop owned by ${escapeIdentifier(rolname)}; drop role ${escapeIdentifier(rolname)}`,
      );
  } finally {
    await client.end();
  }
}
