import { setTimeout as sleep } from 'node:timers/promises';
import { takeSnapshot } from '../../../src/backup/embedded/snapshot.ts';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';
import { makeVault } from '../../../src/backup/vault.ts';
import { embeddedConnectionString } from '../../../src/embedded/embedded.ts';

// Takes a snapshot of the running database in the first argument into the store in the second, in a process of its
// own. Slowly, so that a test can kill it in the middle.
const [dataDirectory = '', root = ''] = process.argv.slice(2);
const store = new DirectoryStore(root);
const put = store.put.bind(store);
store.put = async (...parameters) => {
  await put(...parameters);
  await sleep(20);
};
await takeSnapshot({
  dataDirectory,
  connectionString: embeddedConnectionString(dataDirectory),
  vault: makeVault(store, null),
  now: () => new Date(),
});
