import type { Command } from 'commander';
import { openBackups } from '../backup/open-backups.ts';
import { makeVerifyToken } from '../auth/jwt.ts';
import type { Config } from '../config/config.ts';
import { clientExecutor } from '../db/client-executor.ts';
import { refuseUnsafeLogin } from '../db/login-check.ts';
import { boundedClient } from '../db/pool.ts';
import { makeReadiness } from '../api/readiness.ts';
import { logRenewal } from '../http/certificate.ts';
import { logUnread } from '../http/limits.ts';
import { startHttpServer } from '../api/server.ts';
import { impatient, makeEmbed, patient } from '../embeddings/embedding-client.ts';
import { endAll, workMs } from '../ending.ts';
import type { Part } from '../ending.ts';
import type { Log } from '../log.ts';
import { seeWalReceiver } from '../jobs/see-wal-receiver.ts';
import { keepTellingTroubles } from '../jobs/tell-troubles.ts';
import { startWorker } from '../jobs/worker.ts';
import type { RunningWorker } from '../jobs/worker.ts';
import { apiDatabase, openConnections, waitForLogins, workerDatabase } from '../open-database.ts';
import type { Connections, NeededLogin } from '../open-database.ts';
import { requireOwnSession } from '../own-session.ts';
import type { Monitor } from '../monitoring/monitor.ts';
import { sayWhileSlow } from '../say-while-slow.ts';
import { beginMonitor, onAnsweredOf } from './begin-monitor.ts';
import type { CommandContext } from './command-context.ts';
import { awaitLoad } from './await-load.ts';
import { announceDatabase, configure, warnOfUnknownVariables } from './configure.ts';
import { exitStatus } from './exit-status.ts';
import { databaseVariables, explain } from './explain.ts';
import { migrateTo } from './migrate.ts';
import { contextWithFlags, namingFlags, withOptionFlags } from './option-flags.ts';
import type { OptionFlags } from './option-flags.ts';
import { followHangups } from './reload.ts';
import { requireSchema } from './require-schema.ts';
import { abortedBy, logSignal, logStop, untilSignal } from './signals.ts';
import { tellFirstToken } from './first-token.ts';
import { NotForProduction, unfitForProduction, unfitLogins } from './refuse-in-production.ts';
import { signedToken } from './token.ts';
import { claimRules, openTokenKeys, requireSecret, sharedSecrets } from './token-keys.ts';

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
  /** Goes on with the options of this configuration that may change while a process runs. */
  adopt(config: Config): void;
  /**
   * Drains requests, lets jobs end and closes the database, all within SHUTDOWN_MS. Returns a sentence for each
   * part that did not end in time; such a part ends with the process.
   *
   * @param drains whether balancers and clients get DRAIN_MS to turn elsewhere; default: no
   */
  stop(drains?: boolean): Promise<readonly string[]>;
}

/** The parts that were started and have to be ended. */
interface Begun {
  /** Those that are told of a configuration that was read anew. */
  readonly adopting: ((config: Config) => void)[];
  readonly atWork: Part[];
  readonly ground: Part[];
  /** How long the API drains when it ends. */
  drainMs: number;
}

/** A day: long enough to try things out, too short to come to depend on. */
const firstTokenSeconds = 86_400;

/**
 * Performs the duties on the configured database until `stop`. If a step fails, the earlier ones are undone. Waits for a
 * server that is away; an aborted `signal` ends that wait, and `run` rejects with its reason.
 */
export async function run(
  config: Config,
  duties: Duties,
  log: Log,
  now: () => Date,
  signal?: AbortSignal,
): Promise<Running> {
  const begun: Begun = { adopting: [], atWork: [], ground: [], drainMs: 0 };
  const stop = (drains = false): Promise<readonly string[]> => {
    if (drains) begun.drainMs = config.http.drainMs;
    return endAll(config.http.shutdownMs, begun.atWork.splice(0), begun.ground.splice(0));
  };
  if (duties.api) requireSecret(config);
  const unfit = duties.api && config.production ? unfitForProduction(config) : [];
  try {
    if (unfit.length > 0 && !(config.server && config.useDatabase)) throw new NotForProduction(unfit);
    const connections = await openConnections(config, log, { attach: false });
    begun.ground.push({ name: 'the embedded database', end: () => connections.close() });
    const monitor = await beginMonitor(config, duties.api ? 'api' : 'worker', log);
    if (monitor) begun.ground.push({ name: 'the metrics', end: () => monitor.stop() });
    const needed = (['migrate', 'api', 'worker'] as const).filter((duty) => duties[duty]);
    // A configuration that is refused anyway is refused at once.
    if (unfit.length === 0) await waitForLogins(connections, needed, config, log, signal);
    if (config.production) await refuseUnfit(connections, needed, config, unfit);
    if (duties.migrate) await migrateTo(connections, config, log);
    if (!config.useDatabase) await awaitLoad(connections, config, log, signal);
    const url = duties.api ? await beginApi(connections, config, log, begun, monitor) : null;
    if (duties.worker) await beginWorker(connections, config, log, begun, monitor);
    const token =
      duties.api && connections.kind === 'embedded'
        ? await signedToken(
            config,
            {
              role: 'admin',
              tenantId: 'default',
              subject: 'first-user',
              lifetimeSeconds: Math.min(firstTokenSeconds, config.jwt.maxLifetimeSeconds ?? Infinity),
            },
            now(),
          )
        : null;
    const adopt = (next: Config): void => begun.adopting.forEach((tell) => tell(next));
    return { url, token, adopt, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Throws NotForProduction with every reason, those of the logins included where they can be asked. */
async function refuseUnfit(
  connections: Connections,
  needed: readonly NeededLogin[],
  config: Config,
  unfit: readonly string[],
): Promise<void> {
  const url = needed.map((login) => connections[login]).find((login) => login !== null);
  const reasons = [...unfit];
  if (connections.kind === 'server' && url) {
    const client = boundedClient(
      { connectionString: url, ssl: connections.tls(url), application_name: config.pool.applicationName },
      { ...config.pool, kind: 'server' },
    );
    // An error between two statements makes the next one fail.
    client.on('error', () => {});
    try {
      await client.connect();
      reasons.push(...(await unfitLogins(clientExecutor(client), config)));
    } catch (error) {
      if (unfit.length === 0) throw error;
    } finally {
      await client.end();
    }
  }
  if (reasons.length > 0) throw new NotForProduction(reasons);
}

async function beginApi(
  connections: Connections,
  config: Config,
  log: Log,
  begun: Begun,
  monitor: Monitor | null,
): Promise<string> {
  let { slowRequestMs } = config.log;
  const database = apiDatabase(connections, config, log);
  begun.ground.push({ name: "the API's database", end: (withinMs) => database.close(withinMs / 2) });
  monitor?.watchPool('api', () => database.poolState());
  const installation = { database, rolePrefix: config.rolePrefix };
  if (connections.kind === 'server') await refuseUnsafeLogin(installation);
  const tokenKeys = await openTokenKeys(config, log);
  begun.ground.push({ name: 'the keys of tokens', end: () => tokenKeys.close() });
  // Loaded only when needed: PostGraphile takes a second, which `token` should not pay.
  const app = await sayWhileSlow(log, 'loading the API', async () => {
    const { makeApp } = await import('../api/app.ts');
    return makeApp({
      installation,
      verifyToken: makeVerifyToken(tokenKeys, claimRules(config)),
      watchKey: tokenKeys.watch,
      secrets: sharedSecrets(tokenKeys.current.keys, config),
      budgets: config.http.budgets,
      pages: config.http.pages,
      publicUrl: config.http.publicUrl,
      corsOrigins: config.http.corsOrigins,
      isHttps: config.http.tls !== null,
      isKept: config.useDatabase,
      rest: config.rest,
      showsSchemaToAll: config.http.showsSchemaToAll,
      showsHealthToAll: !config.production,
      traffic: config.http.traffic,
      embed: config.embeddings && makeEmbed(config.embeddings, impatient),
      isReady: makeReadiness(installation, tokenKeys),
      log,
      onAnswered: onAnsweredOf(log, () => slowRequestMs, monitor),
    });
  });
  begun.ground.push({ name: 'the API', end: () => app.close() });
  monitor?.watchTraffic(app.traffic);
  begun.adopting.push(({ http, rest, log: { slowRequestMs: next } }) => {
    slowRequestMs = next;
    app.adopt({ traffic: http.traffic, corsOrigins: http.corsOrigins, rest });
  });
  const server = await startHttpServer(app, {
    ...config.http,
    shutdownMs: workMs(config.http.shutdownMs),
    limits: config.http,
    onUnread: (address) => logUnread(address, log),
    onRenewal: (failure) => logRenewal(failure, log),
  });
  begun.atWork.push({ name: 'the HTTP server', end: () => server.close(begun.drainMs) });
  return server.url;
}

async function beginWorker(
  connections: Connections,
  config: Config,
  log: Log,
  begun: Begun,
  monitor: Monitor | null,
): Promise<void> {
  await requireOwnSession(connections, 'worker');
  const { pool, database, close } = workerDatabase(connections, config, log);
  begun.ground.push({ name: "the worker's database", end: (withinMs) => close(withinMs / 2) });
  await requireSchema(database, 'accepted');
  monitor?.watchPool('worker', () => database.poolState());
  monitor?.watchDatabase(database);
  const { backups } = openBackups(config, log, () => new Date());
  let current = config;
  begun.adopting.push((next) => {
    current = next;
  });
  const worker: RunningWorker = await startWorker({
    pool,
    executor: database,
    kind: connections.kind,
    embed: config.embeddings && makeEmbed(config.embeddings, patient),
    get alertWebhook() {
      return current.alertWebhook;
    },
    get anchors() {
      return current.anchors;
    },
    backups,
    log,
    onRunEnded: monitor?.watchRuns(),
  });
  begun.atWork.push({ name: 'the worker', end: () => worker.stop() });
  const { troubles } = connections;
  const telling = keepTellingTroubles({
    database,
    troubles,
    get alertWebhook() {
      return current.alertWebhook;
    },
    log,
  });
  begun.atWork.push({ name: "the alerts of the server's troubles", end: () => telling.stop() });
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

/** `lightning start`, `lightning serve` and `lightning work` */
export function addServe(program: Command, context: CommandContext): void {
  const serving = ['port', 'host', 'data'] as const;
  const variables = [...databaseVariables, 'JWT_SECRET', 'HOST', 'PORT', 'MAX_BODY_BYTES'] as const;
  explain(withOptionFlags(program.command('start'), serving), {
    variables: [...variables, 'MIGRATE_DATABASE_URL', 'WORKER_DATABASE_URL', 'BACKUP_STORE'],
    examples: [
      ['lightning start', 'an embedded database in ./data, and the API on http://127.0.0.1:3000'],
      ['lightning start --data /srv/agents --port 8080', 'the same elsewhere'],
    ],
  })
    .description('migrate, then serve the API and run the worker, in one process')
    .action((flags: OptionFlags) =>
      runUntilSignal(context, flags, { migrate: true, api: true, worker: true }),
    );
  explain(withOptionFlags(program.command('serve'), serving), {
    variables: [...variables, 'LISTEN_DATABASE_URL', 'DB_POOL_SIZE'],
    examples: [['lightning serve --host 0.0.0.0 --port 8080', 'for everybody who reaches this machine']],
  })
    .description('serve the API')
    .action((flags: OptionFlags) =>
      runUntilSignal(context, flags, { migrate: false, api: true, worker: false }),
    );
  explain(withOptionFlags(program.command('work'), ['data']), {
    variables: [
      ...databaseVariables,
      'WORKER_DATABASE_URL',
      'BACKUP_STORE',
      'ALERT_WEBHOOK_URL',
      'AUDIT_ANCHOR_FILE',
      'AUDIT_ANCHOR_URL',
      'EMBEDDINGS_URL',
    ],
    examples: [['lightning work', 'run the jobs until it is stopped']],
  })
    .description('run the worker')
    .action((flags: OptionFlags) =>
      runUntilSignal(context, flags, { migrate: false, api: false, worker: true }),
    );
}

async function runUntilSignal(given: CommandContext, flags: OptionFlags, duties: Duties): Promise<void> {
  const named = contextWithFlags(given, flags);
  const config = namingFlags(flags, () => configure(named));
  let { log: logChoice } = config;
  const log = named.logAs(() => logChoice);
  const context = { ...named, log };
  const { print, setExitStatus } = context;
  announceDatabase(context, config);
  warnOfUnknownVariables(context);
  const hangups = followHangups(context);
  const stopped = untilSignal();
  const signal = abortedBy(stopped);
  let running: Running;
  try {
    running = await run(config, duties, log, () => new Date(), signal);
  } catch (error) {
    // Told to end while it waited for the server: nothing had begun.
    if (!signal.aborted || error !== signal.reason) throw error;
    logSignal(log, await stopped);
    logStop(log, []);
    return;
  }
  const { token } = running;
  const tokenLine = token && (await tellFirstToken(context, token, config.dataDirectory));
  if (running.url) {
    print(`REST      ${running.url}/rest/v1`);
    print(`GraphQL   ${running.url}/graphql`);
    if (config.http.showsSchemaToAll) print(`GraphiQL  ${running.url}/graphiql`);
  }
  if (tokenLine) print(tokenLine);
  hangups.begin((next) => {
    logChoice = next.log;
    running.adopt(next);
  });
  const asked = await stopped;
  logSignal(log, asked);
  hangups.end();
  // Ctrl-C comes from a person who waits; SIGTERM from what restarts processes behind a balancer.
  const unfinished = await running.stop(asked === 'SIGTERM');
  if (unfinished.length > 0) setExitStatus(exitStatus.failed);
  logStop(log, unfinished);
}
