import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { embeddedConnectionString } from '../../src/embedded/embedded.ts';
import type { Spawned } from './lightning.ts';

/**
 * Connects to the embedded database of a `lightning work` process, once its worker is registered. Rejects when the
 * process ends first.
 */
export async function connectToWorker(directory: string, { process, ended }: Spawned): Promise<Client> {
  for (;;) {
    const client = new Client({ connectionString: embeddedConnectionString(directory) });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rowCount } = await client.query('select from ops.workers where pid = $1', [process.pid]);
      if (rowCount === 1) return client;
    } catch {
      // The socket is not there yet, or never will be: then the process has ended.
    }
    await client.end().catch(() => {});
    const end = await Promise.race([ended, pause(200)]);
    if (end) throw new Error(`lightning ended with ${end.status}\n${end.stderr}`);
  }
}
