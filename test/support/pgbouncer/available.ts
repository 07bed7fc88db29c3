import { serverUser } from '../../../src/programs/server-user.ts';
import { pgbouncerProgram } from './program.ts';
import { pgbouncerSetups } from './start.ts';

/**
 * The reason why a PgBouncer of the set-ups is unavailable; null when all are available. Prints the reason, so that a
 * run says what it lacked.
 */
export async function pgbouncerLacking(): Promise<string | null> {
  try {
    const user = await serverUser();
    for (const release of new Set(pgbouncerSetups.map((setup) => setup.release))) {
      await pgbouncerProgram(release, user, (line) => void process.stderr.write(`${line}\n`));
    }
    return null;
  } catch (error) {
    const reason = (error as Error).message;
    console.log(
      `SKIPPED: tests behind a connection pooler. PgBouncer 1.18 or 1.24 is not available: ${reason}`,
    );
    return reason;
  }
}
