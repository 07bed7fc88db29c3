import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { commandLines } from '../support/command-lines.ts';
import type { CommandLineName } from '../support/command-lines.ts';
import { storageEnvironment } from '../support/object-storage.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { startSwift } from '../support/swift/swift.ts';
import { followRecoveryPage } from './recovery-page.ts';
import type { FollowedPage } from './recovery-page.ts';

const help = `Destroys servers that were backed up, while others write, and follows docs/recovery.md to the letter.

  node test/backup/follow-recovery-page.ts [--server NAME] [--store NAME]

--server  ${Object.keys(commandLines).join(' or ')}: where the server has its settings from; by default both
--store   directory, s3, encrypted or encrypted-s3; by default all of them

Takes a minute or two for each, and 500 MB among the temporary files. The object storage is OpenStack Swift (python3-swift of Debian).
Ends with a table: each pair, the acknowledged rows that are back, those of the moment before a mistake, and seconds.
Exit status 0: every acknowledged row was back each time, and there were some; 1: otherwise, or what stands on the page does not work;
2: usage.
`;

const { values } = parseArgs({
  options: { server: { type: 'string' }, store: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const servers = chosen(Object.keys(commandLines) as CommandLineName[], values.server);
const stores = chosen(['directory', 's3', 'encrypted', 'encrypted-s3'], values.store);
const provided = await provideServer();
if (provided.kind === 'unavailable' || !provided.binDirectory) {
  console.error('there are no programs of Postgres to start a server with');
  process.exit(1);
}
const { binDirectory } = provided;
// Only its programs are needed here.
await provided.stop();
const swift = stores.some((store) => store.endsWith('s3')) ? await startSwift() : null;
/** A pair of a server and a store, and the result of following the page with it. */
interface Outcome {
  readonly pair: string;
  /** Null: the page did not work, or nothing was compared. */
  readonly followed: FollowedPage | null;
  readonly seconds: number;
}

const outcomes: Outcome[] = [];
try {
  for (const server of servers) {
    for (const store of stores) {
      const pair = `${server}, ${store}`;
      const startedAt = performance.now();
      const followed = await follow(server, store, pair);
      outcomes.push({ pair, followed, seconds: Math.round((performance.now() - startedAt) / 1000) });
    }
  }
} finally {
  await swift?.stop();
}
process.stdout.write(tableOf(outcomes));
process.exitCode = outcomes.every(({ followed }) => followed !== null) ? 0 : 1;

async function follow(server: CommandLineName, store: string, pair: string): Promise<FollowedPage | null> {
  const say = (what: string) => console.error(`${pair}: ${what}`);
  try {
    const followed = await followRecoveryPage({
      binDirectory,
      commandLine: await commandLines[server](),
      store: (folder) => environmentOf(store, folder),
      say,
    });
    if (followed.acknowledged > 0 && followed.mistaken > 0 && followed.earlier > 0) return followed;
    say(`FAILED: nothing was compared: ${JSON.stringify(followed)}`);
  } catch (error) {
    say(`FAILED: ${String(error)}`);
  }
  return null;
}

function tableOf(all: readonly Outcome[]): string {
  const lines = [
    ['server, store', 'rows back', 'rows of the moment before', 'seconds'],
    ...all.map(({ pair, followed, seconds }) => [
      pair,
      String(followed?.acknowledged ?? 'FAILED'),
      String(followed?.earlier ?? 'FAILED'),
      String(seconds),
    ]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function environmentOf(store: string, folder: string): Record<string, string> {
  return {
    ...(store.endsWith('s3') && swift
      ? storageEnvironment(swift.location())
      : { BACKUP_STORE: `${folder}/store` }),
    ...(store.startsWith('encrypted') && { BACKUP_ENCRYPTION_KEY: randomBytes(32).toString('hex') }),
  };
}

function chosen<Name extends string>(names: readonly Name[], wanted: string | undefined): readonly Name[] {
  if (wanted === undefined) return names;
  const found = names.filter((name) => name === wanted);
  if (found.length > 0) return found;
  console.error(`${JSON.stringify(wanted)} is none of ${names.join(', ')}`);
  process.exit(2);
}
