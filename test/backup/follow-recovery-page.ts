import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { commandLines } from '../support/command-lines.ts';
import type { CommandLineName } from '../support/command-lines.ts';
import { storageEnvironment } from '../support/object-storage.ts';
import { provideServer } from '../support/postgres/provide.ts';
import { startSwift } from '../support/swift/swift.ts';
import { followRecoveryPage } from './recovery-page.ts';

const help = `Destroys servers that were backed up, while others write, and follows docs/recovery.md to the letter.

  node test/backup/follow-recovery-page.ts [--server NAME] [--store NAME]

--server  ${Object.keys(commandLines).join(' or ')}: where the server has its settings from; by default both
--store   directory, s3, encrypted or encrypted-s3; by default all of them

Takes a minute or two for each, and 500 MB among the temporary files. The object storage is OpenStack Swift (python3-swift of Debian).
Exit status 0: every acknowledged row was back each time; 1: it was not, or what stands on the page does not work; 2: usage.
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
let failed = false;
try {
  for (const server of servers) {
    for (const store of stores) {
      const startedAt = performance.now();
      const title = `a server as of ${server}, store ${store}`;
      try {
        const { acknowledged, mistaken } = await followRecoveryPage({
          binDirectory,
          commandLine: await commandLines[server](),
          store: (folder) => environmentOf(store, folder),
          say: (what) => console.error(`${title}: ${what}`),
        });
        const seconds = Math.round((performance.now() - startedAt) / 1000);
        console.log(
          `${title}: all of ${acknowledged} acknowledged rows are back, and ${mistaken} rows of the moment before a mistake; ${seconds} s`,
        );
      } catch (error) {
        failed = true;
        console.log(`${title}: FAILED: ${String(error)}`);
      }
    }
  }
} finally {
  await swift?.stop();
}
process.exitCode = failed ? 1 : 0;

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
