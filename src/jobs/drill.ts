import { drillSnapshot } from '../backup/embedded/drill.ts';
import { findDrillPrograms } from '../backup/server/drill/drill-programs.ts';
import { drillServer } from '../backup/server/drill/server-drill.ts';
import { recordVerdict } from '../backup/drill-verdict.ts';
import type { DrillVerdict } from '../backup/drill-verdict.ts';
import { readManifests } from '../backup/manifest.ts';
import { configuredBackups } from '../backup/server/configured-programs.ts';
import { connectForReplication, serverFacts } from '../backup/server/server-facts.ts';
import { openVault } from '../backup/store/open-store.ts';
import type { Config } from '../config/config.ts';
import type { Executor } from '../db/database.ts';
import type { Log } from '../log.ts';
import { backupsDatabase } from '../open-database.ts';
import { OperationalError } from '../operational-error.ts';
import { defineJob } from './job.ts';
import type { Drill } from './job-resources.ts';
import { noPayload } from './payload.ts';

/** One at a time, whoever begins it. */
export const drillLock = 'drill';

/** The newest backups could not be restored as they should be. `problems` has a sentence for each thing that is wrong. */
export class DrillFailed extends OperationalError {
  override name = 'DrillFailed';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the backups are not proven: ${problems.join('; ')}`);
    this.problems = problems;
  }
}

/** How the configured database's backups are proven; null: it has none. The verdict is written down by the executor, the worker's. */
export function makeDrill(config: Config, executor: Executor, log: Log, now: () => Date): Drill | null {
  if (!config.useDatabase || !config.backup.store || (config.server && !config.server.backupUrl)) return null;
  return async (run) => {
    const startedAt = now();
    const verdict = config.server
      ? await drillConfiguredServer(config, log, run)
      : await drillEmbedded(config, run);
    const passed = await recordVerdict(executor, startedAt, verdict);
    if (!passed) throw new DrillFailed(verdict.problems);
    return inWords(verdict);
  };
}

async function drillConfiguredServer(
  config: Config,
  log: Log,
  run: Parameters<Drill>[0],
): Promise<DrillVerdict> {
  const { connection, vault, findPrograms } = await configuredBackups(config);
  const client = await connectForReplication(connection);
  const facts = await serverFacts(client).finally(() => client.end());
  const database = backupsDatabase(connection, config, log);
  try {
    return await drillServer({
      database,
      facts,
      vault,
      programs: await findDrillPrograms(await findPrograms(facts.major)),
      workDirectory: config.backup.drillDirectory,
      onProgress: (fraction, note) => run.progress(fraction, note),
      signal: run.signal,
    });
  } finally {
    await database.close();
  }
}

async function drillEmbedded(config: Config, run: Parameters<Drill>[0]): Promise<DrillVerdict> {
  const vault = await openVault(config.backup);
  const { manifests, damaged } = await readManifests(vault);
  const snapshot = manifests.findLast(({ manifest }) => manifest.embedded !== null);
  const problems = damaged.map(({ message }) => message);
  if (!snapshot) {
    return {
      backups: [],
      position: null,
      comparedTables: 0,
      comparedRows: 0,
      restoreMs: null,
      problems: [...problems, `${vault.store.name} holds no snapshot: lightning backup takes one`],
      selfTests: [],
    };
  }
  const verdict = await drillSnapshot({
    vault,
    snapshot,
    directory: config.backup.drillDirectory,
    signal: run.signal,
    onProgress: (fraction, note) => run.progress(fraction, note),
  });
  return { ...verdict, problems: [...problems, ...verdict.problems] };
}

function inWords({
  backups,
  position,
  comparedTables,
  comparedRows,
  restoreMs,
  selfTests,
}: DrillVerdict): string {
  return (
    `restored ${backups.join(', ')}${position === null ? '' : ` to ${position}`} in ${((restoreMs ?? 0) / 1000).toFixed(1)} s: ` +
    `${comparedTables} tables with ${comparedRows} rows are the same; noticed ${selfTests.length} damages of its own`
  );
}

export const drillJob = defineJob({
  task: 'drill',
  does: 'proves the newest backups by restoring them and comparing every row',
  parse: noPayload,
  lock: drillLock,
  expectedMinutes: 360,
  run: async (_payload, run, { drill }) => (drill ? drill(run) : null),
});
