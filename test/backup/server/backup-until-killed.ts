import { findPrograms } from '../../../src/backup/server/programs.ts';
import { backUpServer } from '../../../src/backup/server/back-up-server.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { SlowStore } from './slow-store.ts';

// Makes a full backup, slowly, in a process of its own. It reports when its first parts are stored, so that a test
// can kill it then.
const [url = '', directory = '', spoolDirectory = '', slot = '', binDirectory = ''] = process.argv.slice(2);
const store = new SlowStore(new DirectoryStore(directory), 200);
await backUpServer({
  connection: { url, ssl: undefined },
  findPrograms: (major) => findPrograms({ major, binDirectory, env: process.env }),
  vault: makeVault(store, null),
  spoolDirectory,
  slot,
  requested: 'full',
  partBytes: 1_000_000,
  onProgress: () => process.stdout.write(`${store.parts.length} parts\n`),
  signal: new AbortController().signal,
  log: () => {},
  now: () => new Date(),
});
process.stdout.write('done\n');
