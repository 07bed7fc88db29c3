import type { Command } from 'commander';
import { openBackups } from '../backup/open-backups.ts';
import { anonymous } from '../auth/claims.ts';
import { makeVerifyToken, signToken } from '../auth/jwt.ts';
import type { Config } from '../config/config.ts';
import { MigrationsReplaced, migrationState } from '../db/migrations.ts';
import type { MigrationState } from '../db/migrations.ts';
import { refuseUnsafeLogin } from '../db/login-check.ts';
import { asRequester } from '../auth/requester.ts';
import type { Database } from '../db/database.ts';
import type { Readiness } from '../api/health.ts';
import { logUnread } from '../http/limits.ts';
import { startHttpServer } from '../api/server.ts';
import { impatient, makeEmbed, patient } from '../embeddings/embedding-client.ts';
import { endAll, workMs } from '../ending.ts';
import type { Part } from '../ending.ts';
import type { Log } from '../log.ts';
import { seeWalReceiver } from '../jobs/see-wal-receiver.ts';
import { startWorker } from '../jobs/worker.ts';
import type { RunningWorker } from '../jobs/worker.ts';
import { apiDatabase, openConnections, workerDatabase } from '../open-database.ts';
import type { Connections } from '../open-database.ts';
import { requireOwnSession } from '../own-session.ts';
import type { CommandContext } from './command-context.ts';
import { announceDatabase, configure } from './configure.ts';
import { exitStatus } from './exit-status.ts';
import { migrateTo } from './migrate.ts';
import { logSignal, logStop, untilSignal } from './signals.ts';
import { jwtSecret } from './token.ts';

/** The duties of a process. `start` has all of them. */
export interface Duties {
  readonly migrate: boolean;
  readonly api: boolean;
  readonly worker: boolean;
}

/** A process that performs its duties. */
export interface Running {
  /** Address of the API; null when the process does not serve it. */
  readonly url: string | null;
  /** A token that works, for an embedded database's first user; null on a server. */
  readonly token: string | null;
  /**
   * Drains requests, lets jobs end and closes the database, all within SHUTDOWN_MS. Returns a sentence for each
   * part that did not end in time; such a part ends with the process.
   */
  stop(): Promise<readonly string[]>;
}

/** The parts that were started and have to be ended. */
interface Begun {
  readonly atWork: Part[];
  readonly ground: Part[];
}

/** A day: long enough to try things out, too short to come to depend on. */
const firstTokenSeconds = 86_400;

/** Performs the duties on the configured database until `stop`. If a step fails, the earlier ones are undone. */
export async function run(config: Config, duties: Duties, log: Log, now: () => Date): Promise<Running> {
  const begun: Begun = { atWork: [], ground: [] };
  const stop = (): Promise<readonly string[]> =>
    endAll(config.http.shutdownMs, begun.atWork.splice(0), begun.ground.splice(0));
  try {
    const connections = await openConnections(config, log, { attach: false });
    begun.ground.push({ name: 'the embedded database', end: () => connections.close() });
    if (duties.migrate) await migrateTo(connections, config, log);
    const url = duties.api ? await beginApi(connections, config, log, begun) : null;
    if (duties.worker) await beginWorker(connections, config, log, begun);
    const token =
      duties.api && connections.kind === 'embedded'
        ? await signToken(
            await jwtSecret(config),
            { role: 'admin', tenantId: 'default', subject: 'first-user', lifetimeSeconds: firstTokenSeconds },
            now(),
          )
        : null;
    return { url, token, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function beginApi(connections: Connections, config: Config, log: Log, begun: Begun): Promise<string> {
  const database = apiDatabase(connections, config, log);
  begun.ground.push({ name: "the API's database", end: (withinMs) => database.close(withinMs / 2) });
  if (connections.kind === 'server') await refuseUnsafeLogin(database, config.rolePrefix);
  const session = asRequester(database, anonymous, { rolePrefix: config.rolePrefix });
  const secret = await jwtSecret(config);
  // Loaded only when needed: PostGraphile takes a second, which `token` should not pay.
  const { makeApp } = await import('../api/app.ts');
  const app = await makeApp({
    database,
    verifyToken: makeVerifyToken(secret),
    secret,
    rolePrefix: config.rolePrefix,
    budgets: config.http.budgets,
    pages: config.http.pages,
    corsOrigins: config.http.corsOrigins,
    rest: config.rest,
    embed: config.embeddings && makeEmbed(config.embeddings, impatient),
    isReady: async () => deafness(database) ?? readiness(await migrationState(session)),
    log,
  });
  begun.ground.push({ name: 'the API', end: () => app.close() });
  const server = await startHttpServer(app, {
    ...config.http,
    shutdownMs: workMs(config.http.shutdownMs),
    limits: config.http,
    onUnread: (address) => logUnread(address, log),
  });
  begun.atWork.push({ name: 'the HTTP server', end: () => server.close() });
  return server.url;
}

async function beginWorker(connections: Connections, config: Config, log: Log, begun: Begun): Promise<void> {
  await requireOwnSession(connections, 'worker');
  const { pool, database, asKeeper, close } = workerDatabase(connections, config, log);
  begun.ground.push({ name: "the worker's database", end: (withinMs) => close(withinMs / 2) });
  const { backups } = openBackups(config, log, () => new Date());
  const worker: RunningWorker = await startWorker({
    pool,
    executor: database,
    kind: connections.kind,
    asKeeper,
    embed: config.embeddings && makeEmbed(config.embeddings, patient),
    alertWebhook: config.alertWebhook,
    backups,
    log,
  });
  begun.atWork.push({ name: 'the worker', end: () => worker.stop() });
  if (backups?.receiving) {
    const { slot, start } = backups.receiving;
    const receiving = start({
      log,
      now: () => new Date(),
      onStatus: (status) => seeWalReceiver(database, slot, status),
    });
    begun.atWork.push({ name: 'receiving WAL', end: () => receiving.stop() });
  }
}

/** Null: notifications are heard. */
function deafness({ deafSince }: Database): Readiness | null {
  if (deafSince === null) return null;
  const seconds = Math.round((Date.now() - deafSince) / 1000);
  return {
    ready: false,
    reason: `the connection that listens for notifications was lost ${seconds} s ago and is being restored`,
  };
}

function readiness(state: MigrationState): Readiness {
  switch (state.kind) {
    case 'current':
      return { ready: true };
    case 'behind':
      return { ready: false, reason: `the schema lacks ${state.missing.join(', ')}: run lightning migrate` };
    case 'ahead':
      return {
        ready: false,
        reason: `the schema has ${state.unknown.join(', ')}, which this version does not know`,
      };
    case 'replaced':
      return { ready: false, reason: new MigrationsReplaced().message };
    default:
      return state satisfies never;
  }
}

/** `lightning start`, `lightning serve` and `lightning work` */
export function addServe(program: Command, context: CommandContext): void {
  program
    .command('start')
    .description('migrate, then serve the API and run the worker, in one process')
    .action(() => runUntilSignal(context, { migrate: true, api: true, worker: true }));
  program
    .command('serve')
    .description('serve the API')
    .action(() => runUntilSignal(context, { migrate: false, api: true, worker: false }));
  program
    .command('work')
    .description('run the worker')
    .action(() => runUntilSignal(context, { migrate: false, api: false, worker: true }));
}

async function runUntilSignal(context: CommandContext, duties: Duties): Promise<void> {
  const { log, print, setExitStatus } = context;
  const config = configure(context);
  announceDatabase(context, config);
  const running = await run(config, duties, log, () => new Date());
  // Listens for signals before it reports its start: a program that waits for the report may send a signal at
  // once.
  const stopped = untilSignal();
  if (running.url) {
    print(`REST      ${running.url}/rest/v1`);
    print(`GraphQL   ${running.url}/graphql`);
    print(`GraphiQL  ${running.url}/graphiql`);
  }
  if (running.token) print(`Token     ${running.token}`);
  logSignal(log, await stopped);
  const unfinished = await running.stop();
  if (unfinished.length > 0) setExitStatus(exitStatus.failed);
  logStop(log, unfinished);
}
