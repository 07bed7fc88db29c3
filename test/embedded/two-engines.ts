import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseConfig } from '../../src/config/parse-config.ts';
import { migrate } from '../../src/db/migrations.ts';
import { openConnections } from '../../src/open-database.ts';
import { holdContest, isolationArguments } from './contest.ts';
import type { Isolation } from './contest.ts';

const help = `node test/embedded/two-engines.ts [--rounds N] [--rows N]

Starts two \`lightning start\` on one data directory, in two pid namespaces or with two host names, 0, 0.5 and 1.5 s apart. Writes
through the one that serves, kills it with SIGKILL, and starts a third at once. One has to serve and the other to be refused by the
holder's name; the third has to take over by itself and to have every acknowledged row.

  --rounds N      contests (default 20), in turns of each kind and distance
  --rows N        rows to write in each contest (default 400)
  --help          this text

Needs \`unshare\`, as root or with user namespaces. Exits with 1 when a round fails, and with 2 when it cannot run.
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    rows: { type: 'string', default: '400' },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const rows = Number(values.rows);
if (values.help) {
  process.stdout.write(help);
} else if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(rows) && rows > 0)) {
  process.stderr.write('expected whole numbers above 0 for --rounds and --rows\n');
  process.exitCode = 2;
} else if (isolationArguments() === null) {
  process.stderr.write('`unshare` does not work here: namespaces need root, or user namespaces\n');
  process.exitCode = 2;
} else {
  process.exitCode = await run();
}

async function run(): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'two-engines-'));
  let failed = 0;
  try {
    const config = parseConfig({ DATA_DIR: home });
    const connections = await openConnections(config, () => {}, { attach: false });
    await migrate({ connectionString: connections.api!, rolePrefix: config.rolePrefix, log: () => {} });
    await connections.close();
    const kinds = (['pid namespaces', 'host names'] satisfies Isolation[]).flatMap((isolation) =>
      [0, 500, 1500].map((apartMs) => ({ isolation, apartMs })),
    );
    for (let round = 0; round < rounds; round++) {
      const kind = kinds[round % kinds.length]!;
      const result = await holdContest({ ...kind, database: join(home, 'postgres'), rows });
      if (result.problems.length > 0) failed++;
      process.stdout.write(
        `${round + 1}: two ${kind.isolation}, ${kind.apartMs} ms apart: ${result.serving} served, ${result.refusals.length} refused, ` +
          `${result.lost} of ${result.acknowledged} lost, taken over after ${result.takeoverMs} ms` +
          `${result.problems.map((problem) => `\n   ${problem}`).join('')}\n`,
      );
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  process.stdout.write(`${rounds - failed} of ${rounds} rounds passed\n`);
  return failed === 0 ? 0 : 1;
}
