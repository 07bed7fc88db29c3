import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findDrillPrograms } from '../../../../src/backup/server/drill/drill-programs.ts';
import { drillServer } from '../../../../src/backup/server/drill/server-drill.ts';
import { startBackedUpServer } from '../../../support/backed-up-server.ts';
import { provideServer } from '../../../support/postgres/provide.ts';
import { serverDatabase } from '../../../support/server-database.ts';

const help = `node test/backup/server/drill/drills.ts [options]

Holds drills one after the other on a server that others write to all the time, after a full and an incremental backup. Each has to
be green, to have noticed every damage that it did itself, and to have compared more rows than the one before.

  --times N   drills (default 10)
  --help      this text

Exits with 1 when one was not green.
`;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { times: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const times = Number(values.times ?? 10);
  if (!Number.isInteger(times) || times < 1)
    throw new Error(`--times is ${values.times}; it is a number from 1 on`);
  const provided = await provideServer();
  if (provided.kind === 'unavailable' || !provided.binDirectory) throw new Error('no server with programs');
  const server = await startBackedUpServer(provided.binDirectory);
  const database = serverDatabase(server.own.urls.backup);
  try {
    for (const kind of ['full', 'incremental'] as const) await server.backUp(kind);
    const programs = await findDrillPrograms(server.programs);
    let green = 0;
    let rowsBefore = 0;
    for (let n = 1; n <= times; n += 1) {
      const startedAt = performance.now();
      const writtenBefore = server.load.acknowledged.length;
      const { problems, selfTests, comparedRows, comparedTables } = await drillServer({
        ...server.options,
        database,
        facts: server.facts,
        programs,
        workDirectory: join(server.folder, 'work'),
      });
      const written = server.load.acknowledged.length - writtenBefore;
      const noticed = selfTests.filter((test) => test.noticed !== null).length;
      const passed = problems.length === 0 && noticed > 0 && written > 0 && comparedRows > rowsBefore;
      if (passed) green += 1;
      rowsBefore = comparedRows;
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      say(
        `${n}: ${passed ? 'green' : 'RED'} in ${seconds} s, ${comparedRows} rows of ${comparedTables} tables, ` +
          `${noticed} of ${selfTests.length} deliberate faults noticed, ${written} transactions meanwhile`,
      );
      for (const problem of problems) say(`   ${problem}`);
    }
    say(`${green} of ${times} green`);
    return green === times ? 0 : 1;
  } finally {
    await database.close();
    await server.close();
    await provided.stop();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
