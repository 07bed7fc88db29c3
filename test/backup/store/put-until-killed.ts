import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { DirectoryStore } from '../../../src/backup/store/directory-store.ts';

// Puts an endless object into the directory in the first argument, for a test that kills this process.
const endless = Readable.from(
  (async function* () {
    for (;;) {
      yield Buffer.alloc(10_000);
      await sleep(1);
    }
  })(),
);
await new DirectoryStore(process.argv[2] ?? '').put('a/object', endless);
