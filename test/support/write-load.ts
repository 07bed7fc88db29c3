import { setTimeout as sleep } from 'node:timers/promises';
import { claimsOf } from '../../src/auth/claims.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { sql } from '../../src/db/statement.ts';
import { installationIn } from './installation.ts';
import { serverDatabase } from './server-database.ts';

/** The number of transactions that a server has acknowledged. */
export interface WriteLoad {
  /** Ids of the agents whose insert was acknowledged, in the order of the answers. */
  readonly acknowledged: readonly string[];
  /** Writes nothing more, and resolves when no statement is in flight. */
  stop(): Promise<void>;
}

/** A service of the tenant `default`: row-level security and the audit trail apply to its writes. */
export const loader = claimsOf('service', 'default', 'write-load');

/**
 * Writes through the API's login with `writers` concurrent writers. Each writes one transaction after the other with a
 * pause between, until `stop` or until the server is gone.
 */
export function startWriteLoad(url: string, { writers = 4, pauseMs = 2 } = {}): WriteLoad {
  const database = serverDatabase(url, { size: writers, overflow: 0, statementTimeoutMs: 0 });
  const session = asRequester(installationIn(database), loader);
  const acknowledged: string[] = [];
  const stopping = new AbortController();
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; !stopping.signal.aborted; n += 1) {
      const id = `load-${writer}-${n}`;
      try {
        await session.query(
          sql`insert into app_public.agents (id, name, model) values (${id}, ${id}, 'none')`,
        );
      } catch {
        return; // The server is gone; unacknowledged writes are not counted.
      }
      acknowledged.push(id);
      await sleep(pauseMs);
    }
  };
  const running = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return {
    acknowledged,
    stop: async () => {
      stopping.abort();
      await running;
      await database.close().catch(() => {});
    },
  };
}
