import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { embeddedConnectionString } from '../../src/embedded/embedded.ts';
import type { Spawned } from './lightning.ts';

/** Connects to the embedded database that a `lightning work` runs, once its worker is seen. Rejects when the process ends before. */
export async function connectToWorker(directory: string, { process, ended }: Spawned): Promise<Client> {
  for (;;) {
    const client = new Client({ connectionString: embeddedConnectionString(directory) });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rowCount } = await client.query('select from ops.workers where pid = $1', [process.pid]);
      if (rowCount === 1) return client;
    } catch {
      // Not yet, or never: then it has ended.
    }
    await client.end().catch(() => {});
    const end = await Promise.race([ended, pause(200)]);
    if (end) throw new Error(`lightning ended with ${end.status}\n${end.stderr}`);
  }
}
