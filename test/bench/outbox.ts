import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { claimsOf } from '../../src/auth/claims.ts';
import { readSqlFile } from '../../src/db/sql-files.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { sql } from '../../src/db/statement.ts';
import { LiveChanges } from '../../src/live/live-changes.ts';
import { testRolePrefix } from '../support/logins.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { serverDatabase } from '../support/server-database.ts';
import { makeTemplate } from '../support/template.ts';
import { installationIn } from '../support/installation.ts';

const help = `node test/bench/outbox.ts [--rounds N] [--seconds N] [--connections N] [--rows N]

The cost of live updates for writers: tasks inserted per second over simultaneous connections (default 16), on a server that
syncs to disk, with row-level security and audit, for each way to announce them. Ratios are relative to no announcement.
`;

/** The statement after the insert in the body of app_private.tg__publish; `product` leaves the file unchanged. */
const variants = {
  'tell nobody': null,
  'outbox, no NOTIFY': '',
  'outbox, NOTIFY in each transaction': `perform pg_notify('lightning:tasks', '');`,
  product: 'product',
  'product, with a subscriber': 'product',
} as const;
type Variant = keyof typeof variants;
const names = Object.keys(variants) as Variant[];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    rows: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(help);
else
  await main(Number(values.rounds), Number(values.seconds), Number(values.connections), Number(values.rows));

async function main(rounds: number, seconds: number, connections: number, rows: number): Promise<void> {
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') throw new Error(`no server: ${server.reason}`);
  try {
    const { name, urls } = await makeTemplate(server.adminUrl);
    const admin = new Client({
      connectionString: Object.assign(new URL(server.adminUrl), { pathname: `/${name}` }).href,
    });
    await admin.connect();
    const database = serverDatabase(urls.api, { size: connections, overflow: 4 });
    const rates = new Map<Variant, number[]>(names.map((variant) => [variant, []]));
    const lags: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      for (let i = 0; i < names.length; i += 1) {
        const variant = names[(i + round) % names.length]!;
        await choose(admin, variant);
        const { rate, heardAfterMs } = await load(variant);
        // The first round warms up.
        if (round === 0) continue;
        rates.get(variant)?.push(rate);
        lags.push(...heardAfterMs);
      }
    }
    const base = median(rates.get('tell nobody') ?? []);
    process.stdout.write(
      `${rows} row(s) a transaction, ${connections} connections, ${rounds} rounds of ${seconds} s\n`,
    );
    for (const variant of names) {
      const all = rates.get(variant) ?? [];
      const figures = `${Math.round(median(all))} transactions/s`.padStart(24);
      process.stdout.write(`${variant.padEnd(36)}${figures}  ${(median(all) / base).toFixed(2)}\n`);
    }
    lags.sort((a, b) => a - b);
    process.stdout.write(
      `heard by the subscriber after: median ${lags[Math.floor(lags.length / 2)]} ms, 99 of 100 within ${lags[Math.floor(lags.length * 0.99)]} ms\n`,
    );
    await admin.end();
    await database.close();

    /** Inserts for that long; returns transactions per second, and how long a subscriber waited for each. */
    async function load(variant: Variant): Promise<{ rate: number; heardAfterMs: number[] }> {
      const heardAfterMs: number[] = [];
      const live = new LiveChanges(installationIn(database), (error) =>
        process.stderr.write(`${String(error)}\n`),
      );
      if (variant === 'product, with a subscriber') {
        await live.subscribe(claimsOf('member', 'default', 'bench'), {
          topics: new Set(['tasks'] as const),
          key: null,
          since: null,
          onChanges: (changes) => {
            for (const change of changes) {
              if (change.kind !== 'row' || change.row === null) continue;
              const { description } = JSON.parse(change.row) as { description: string };
              heardAfterMs.push(Date.now() - Number(description));
            }
          },
          onFailure: (error) => process.stderr.write(`${String(error)}\n`),
        });
      }
      const session = asRequester(installationIn(database), claimsOf('service', 'default', 'bench'));
      const until = Date.now() + seconds * 1000;
      let done = 0;
      await Promise.all(
        Array.from({ length: connections }, async () => {
          while (Date.now() < until) {
            await session.query({
              ...sql`insert into app_public.tasks (description) select ${String(Date.now())} from generate_series(1, ${rows}::integer)`,
              prepare: true,
            });
            done += 1;
          }
        }),
      );
      await live.close();
      return { rate: done / seconds, heardAfterMs };
    }
  } finally {
    await server.stop();
  }
}

/** Makes the database announce tasks in this way, and empties what the last turn wrote. */
async function choose(admin: Client, variant: Variant): Promise<void> {
  const way = variants[variant];
  let text = await readSqlFile('live/tg__publish.sql', testRolePrefix, 'unused');
  if (way !== 'product') {
    const tail = /  if found and .*?end if;\n/s;
    if (!tail.test(text))
      throw new Error('tg__publish.sql does not have the form that this benchmark expects');
    text = text.replace(tail, () => `  ${way ?? ''}\n`);
  }
  await admin.query(text);
  await admin.query(
    `alter table app_public.tasks ${way === null ? 'disable' : 'enable'} trigger _500_publish_insert`,
  );
  await admin.query('truncate app_public.tasks, app_private.events cascade');
  await admin.query('truncate audit.log');
  await admin.query('checkpoint');
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
