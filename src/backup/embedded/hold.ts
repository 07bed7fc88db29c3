import { Client } from 'pg';
import { clientExecutor } from '../../db/client-executor.ts';
import type { Executor } from '../../db/database.ts';
import { OperationalError } from '../../operational-error.ts';

/** The moment did not last: somebody may have written while files were copied. */
export class HoldLost extends OperationalError {
  override name = 'HoldLost';
}

/**
 * Runs `work` at a moment of the embedded database at which nothing is written: after a checkpoint, between two
 * transactions of others. A transaction is enough, because the embedded database runs one at a time for all its
 * clients; so this works in the process that runs the database and in any other on the machine. Others wait
 * meanwhile. After half a minute without a statement the database ends the transaction by itself, and this rejects
 * with HoldLost.
 */
export async function holdDatabase<T>(
  connectionString: string,
  work: (held: Executor) => Promise<T>,
): Promise<{ result: T; heldMs: number }> {
  const client = new Client({ connectionString, application_name: 'agent_lightning snapshot' });
  // A lost connection shows at the next statement.
  client.on('error', () => undefined);
  await client.connect();
  const held = clientExecutor(client);
  try {
    // A first checkpoint writes the pending pages before anybody has to wait for it.
    await held.query({ text: 'checkpoint' });
    await held.query({ text: 'begin' });
    const began = performance.now();
    const result = await work(held);
    try {
      await held.query({ text: 'rollback' });
    } catch (error) {
      const heldMs = Math.round(performance.now() - began);
      const reason = error instanceof Error ? error.message : String(error);
      throw new HoldLost(
        `writers waited for ${heldMs} ms, until the database went on without the snapshot (${reason}): try again when ` +
          'less is written, so that less has to be copied',
        { cause: error },
      );
    }
    return { result, heldMs: performance.now() - began };
  } finally {
    await client.end().catch(() => undefined);
  }
}
