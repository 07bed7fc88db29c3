import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../log.ts';
import { stackOfBug } from '../../../operational-error.ts';
import type { WalReceivingOptions } from '../../backups.ts';
import type { ServerBackupsOptions } from '../server-backups-options.ts';
import { receiveWal } from './receive-wal.ts';
import type { Receiving } from './receive-wal.ts';
import { connectForReplication, serverFacts } from '../server-facts.ts';

/** How long to wait before trying again a server that is down, or not ready for a receiver. */
const retryMs = 15_000;

/**
 * Receives WAL for as long as the process lives, whether or not the server is up at the start. `stop` ends it in
 * order.
 */
export function keepReceiving(
  configured: ServerBackupsOptions,
  { log, now, onStatus }: WalReceivingOptions,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = (async () => {
    let lastProblem = '';
    while (!stopping.signal.aborted) {
      try {
        const receiving = await begin(configured, log, { log, now, ...(onStatus && { onStatus }) });
        await sleep(0x7fffffff, undefined, { signal: stopping.signal }).catch(() => {});
        await receiving.stop();
        return;
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (problem !== lastProblem) {
          log({
            level: 'error',
            event: 'wal-not-received',
            message: `no WAL is received: ${problem}`,
            stack: stackOfBug(error),
          });
        }
        lastProblem = problem;
        await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function begin(
  configured: ServerBackupsOptions,
  log: Log,
  options: WalReceivingOptions,
): Promise<Receiving> {
  const client = await connectForReplication(configured.connection);
  const facts = await serverFacts(client).finally(() => client.end());
  const receiving = await receiveWal({
    ...configured,
    ...options,
    vault: await configured.openVault(),
    programs: await configured.findPrograms(facts.major),
    systemIdentifier: facts.systemIdentifier,
  });
  log({ level: 'info', event: 'wal-received', message: `WAL is received through slot ${configured.slot}` });
  return receiving;
}
