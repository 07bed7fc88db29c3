import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import { clientExecutor } from '../../src/db/client-executor.ts';
import { sealAll } from '../support/seal-all.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { makeTemplate } from '../support/template.ts';

const help = `node test/audit/verify-million.ts [--rows N]

Writes so many rows of the audit log (default 1,000,000) by updates of tasks, seals them and verifies them. Says how long each took, how much
memory this process and the server's took for it, and that an altered row in the middle is found.
`;

/** How long a form of the work took. */
interface Figures {
  readonly rows: number;
  readonly seals: number;
  readonly sealSeconds: number;
  readonly verifySeconds: number;
  /** The growth of this process, in MB. */
  readonly ownMegabytes: number;
  /** What the server's process had allocated at the end of a link, in MB. */
  readonly serverMegabytes: number;
}

/** Writes, seals and verifies; throws when an honest row is not clean, or an altered one is. */
export async function verifyMany(admin: Client, rows: number): Promise<Figures> {
  const tasks = Math.min(rows, 10_000);
  await admin.query(
    `insert into app_public.tasks (tenant_id, description, context) select 'default', 'task ' || n, '{"step": 1}' from generate_series(1, $1::integer) n`,
    [tasks],
  );
  for (let written = tasks; written < rows; written += tasks) {
    await admin.query(
      `update app_public.tasks set description = 'task ' || $1::text, context = jsonb_build_object('step', $1::integer)
       where id in (select id from app_public.tasks limit $2::integer)`,
      [written, Math.min(tasks, rows - written)],
    );
  }
  const executor = clientExecutor(admin);
  let began = performance.now();
  await sealAll(executor, admin);
  const sealSeconds = (performance.now() - began) / 1000;
  const before = process.memoryUsage().rss;
  began = performance.now();
  const { tampering, seals, rows: verified, unsealedRows } = await verifyChain({ executor });
  const verifySeconds = (performance.now() - began) / 1000;
  if (tampering !== null || verified < rows || unsealedRows > 0) {
    throw new Error(
      `${verified} rows verified, ${unsealedRows} unsealed: ${tampering?.message ?? 'too few'}`,
    );
  }
  const { rows: memory } = await admin.query<{ bytes: string }>(
    'select sum(total_bytes) as bytes from pg_backend_memory_contexts',
  );
  await admin.query('begin');
  await admin.query('set local session_replication_role = replica');
  await admin.query(
    // A link has a part for each month of its rows: two where the month turned while they were written.
    `update audit.log set subject = 'x'
     where id = (select ids[1] from audit.seal_parts where number = (select max(number) / 2 + 1 from audit.seals) order by month limit 1)`,
  );
  const { tampering: found } = await verifyChain({ executor });
  await admin.query('rollback');
  if (found?.kind !== 'altered') throw new Error('an altered row was not found');
  return {
    rows: verified,
    seals,
    sealSeconds,
    verifySeconds,
    ownMegabytes: (process.memoryUsage().rss - before) / 1e6,
    serverMegabytes: Number(memory[0]?.bytes) / 1e6,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rows: { type: 'string', default: '1000000' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') throw new Error(`no server: ${server.reason}`);
  try {
    const { name } = await makeTemplate(server.adminUrl);
    const admin = new Client({
      connectionString: Object.assign(new URL(server.adminUrl), { pathname: `/${name}` }).href,
    });
    await admin.connect();
    const { rows, seals, sealSeconds, verifySeconds, ownMegabytes, serverMegabytes } = await verifyMany(
      admin,
      Number(values.rows),
    );
    process.stdout.write(
      `${rows} rows in ${seals} links: sealed in ${sealSeconds.toFixed(1)} s (${Math.round(rows / sealSeconds)} rows/s), ` +
        `verified in ${verifySeconds.toFixed(1)} s (${Math.round(rows / verifySeconds)} rows/s); ` +
        `this process grew by ${ownMegabytes.toFixed(0)} MB, the server's process had ${serverMegabytes.toFixed(0)} MB\n`,
    );
    await admin.end();
  } finally {
    await server.stop();
  }
}

if (import.meta.main) await main();
