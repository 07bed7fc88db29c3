import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { provideServer } from '../support/postgres/provide.ts';
import { knowledgeTenants, makeKnowledgeDatabase } from './knowledge-database.ts';
import { contenders, matchCount, measureKnowledge } from './measure-knowledge.ts';
import type { Contender, TenantResult } from './measure-knowledge.ts';

const help = `node test/bench/knowledge.ts [options]

Recall and latency of search_knowledge: vectors of 1536 dimensions around 200 topics, in twenty tenants, of which one has 90 %
of the rows and one has 50 rows. Recall is measured against an exact search; latency against the same search without
row-level security, and against a naive query under it.

  --vectors N   rows in all (default 100000; their index takes minutes to build)
  --queries N   counted queries for each tenant (default 20)
  --json FILE   write all numbers there too
  --help        this text

TEST_DATABASE_URL names the server; without it one is started, and its data removed at the end. Exits with 1 when a tenant's
recall is below 0.95 or a query returned fewer than ${matchCount} rows.
`;

/** Runs the benchmark for a command line and returns its exit status. */
async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      vectors: { type: 'string', default: '100000' },
      queries: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const [vectors, queries] = [Number(values.vectors), Number(values.queries)];
  if (!Number.isInteger(vectors) || vectors < 2_000 || !Number.isInteger(queries) || queries < 1) {
    process.stderr.write('bench: --vectors takes a whole number from 2000, --queries one from 1\n');
    return 2;
  }
  const server = await provideServer({ durable: true });
  if (server.kind === 'unavailable') {
    process.stderr.write(`bench: no server: ${server.reason}\n`);
    return 1;
  }
  try {
    const tenants = knowledgeTenants(vectors);
    say(`making a database of ${vectors} items of knowledge`);
    const database = await makeKnowledgeDatabase(server.adminUrl, tenants);
    try {
      say(`the HNSW index took ${database.indexSeconds.toFixed(0)} s`);
      const results = await measureKnowledge(database, tenants, queries, say);
      process.stdout.write(report(results));
      if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
      const kept = results.every(
        ({ rows, recall, fewestRows }) =>
          recall.search_knowledge >= 0.95 && fewestRows.search_knowledge >= Math.min(matchCount, rows),
      );
      return kept ? 0 : 1;
    } finally {
      await database.drop();
    }
  } finally {
    await server.stop();
  }
}

function report(results: readonly TenantResult[]): string {
  const lines = [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}.`,
    '',
    '| tenant | rows | exact ms | ' +
      contenders
        .map((name) => `${name}: ${asksTheSame(name) ? 'recall, ' : ''}fewest rows, median ms`)
        .join(' | ') +
      ' | search_knowledge to bare |',
    `| --- | ---: | ---: | ${contenders.map(() => '---').join(' | ')} | ---: |`,
    ...results.map(({ tenant, rows, recall, fewestRows, medianMs }) =>
      [
        '',
        tenant,
        rows,
        medianMs.exact.toFixed(1),
        ...contenders.map(
          (name) =>
            `${asksTheSame(name) ? `${recall[name].toFixed(3)}, ` : ''}${fewestRows[name]}, ${medianMs[name].toFixed(1)}`,
        ),
        (medianMs.search_knowledge / medianMs.bare).toFixed(2),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** A search with words beside the embedding answers another question than the exact search. */
function asksTheSame(name: Contender): boolean {
  return name !== 'hybrid';
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
