import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { makeTemplate } from '../support/template.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { findProtections } from './protections.ts';
import { takeAway } from './take-away.ts';

const help = `node test/protections/take-all-away.ts [options]

Takes every check of a function and every trigger away, one at a time, and runs the tests of its subject on a database without it. A
protection whose tests stay green is a hole in the tests. Policies are dropped and opened by test/db/policies-matter.test.ts, grants are
compared by test/db/identities.test.ts.

  --only TEXT    those whose name has this text
  --from N       begin with the Nth (default 1)
  --count N      so many (default: all)
  --list         only say which there are
  --help         this text

Takes some hours for all. Exits with 1 when one survives.
`;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string', default: '' },
      from: { type: 'string', default: '1' },
      count: { type: 'string', default: '100000' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const server = await provideServer();
  if (server.kind === 'unavailable') throw new Error(`no server: ${server.reason}`);
  try {
    const { name } = await makeTemplate(server.adminUrl);
    const client = new Client({
      connectionString: Object.assign(new URL(server.adminUrl), { pathname: `/${name}` }).href,
    });
    await client.connect();
    const all = (await findProtections(client)).filter((protection) => protection.name.includes(values.only));
    await client.end();
    const first = Number(values.from) - 1;
    const chosen = all.slice(first, first + Number(values.count));
    process.stdout.write(`${all.length} protections, ${chosen.length} of them tried\n`);
    let survivors = 0;
    for (const [index, protection] of chosen.entries()) {
      if (values.list) {
        process.stdout.write(`${first + index + 1} ${protection.name}: ${protection.tests.join(' ')}\n`);
        continue;
      }
      const { noticed, by } = await takeAway(protection, server.adminUrl);
      if (!noticed) survivors += 1;
      process.stdout.write(
        `${first + index + 1} ${noticed ? 'noticed ' : 'SURVIVED'} ${protection.name}${noticed ? `: ${by[0]}` : ''}\n`,
      );
    }
    if (!values.list) process.stdout.write(`${survivors} of ${chosen.length} survived\n`);
    return survivors === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

process.exitCode = await main(process.argv.slice(2));
