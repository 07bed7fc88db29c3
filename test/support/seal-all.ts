import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { sealAudit } from '../../src/jobs/seal-audit.ts';
import type { Executor } from '../../src/db/database.ts';

/**
 * Seals the whole audit log in links of so many rows, and waits until the sealer has noted so: what it notes first is the
 * moment of its run before, which of a template is as old as that. Other test files have transactions open on the same server, which keep
 * sealing back, so it may take a moment.
 */
export async function sealAll(worker: Executor, admin: Client, mostRows?: number): Promise<void> {
  const until = Date.now() + 30_000;
  const { rows: started } = await admin.query<{ at: string }>('select clock_timestamp()::text as at');
  for (;;) {
    await sealAudit(worker, {
      signal: new AbortController().signal,
      ...(mostRows === undefined ? {} : { mostRows }),
    });
    const { rows } = await admin.query<{ all: boolean }>(
      `select (select count(*) from audit.log) = (select max(total_rows) from audit.seals)
         and (select sealed_through from audit.sealing) >= $1 as all`,
      [started[0]!.at],
    );
    if (rows[0]!.all) return;
    if (Date.now() > until)
      throw new Error('an open transaction has kept the log from being sealed for 30 s');
    await pause(100);
  }
}
