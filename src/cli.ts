import { Command, CommanderError } from 'commander';
import { TokenError } from './auth/token-error.ts';
import { listBackups, verifyBackups } from './commands/backup.ts';
import { importCommand } from './commands/import.ts';
import { createLogin, dropLogin, rotateLogin } from './commands/login.ts';
import { recover } from './commands/recover.ts';
import type { RecoverFlags } from './commands/recover.ts';
import { restore } from './commands/restore.ts';
import type { RestoreFlags } from './commands/restore.ts';
import { partitionsStatus } from './commands/partitions-status.ts';
import { dryRun } from './commands/retention.ts';
import { setup } from './commands/setup.ts';
import type { SetupFlags } from './commands/setup.ts';
import type { Duties } from './commands/serve.ts';
import { formatAlert, listAlerts } from './commands/alerts.ts';
import { formatJob, listJobs, runTaskNow } from './commands/jobs.ts';
import { operationsDatabase } from './commands/operations-database.ts';
import { operationsStatus } from './commands/operations-status.ts';
import { poolerLines } from './commands/pooler-status.ts';
import { requireSchema } from './commands/require-schema.ts';
import { line as statusLine } from './commands/status-line.ts';
import type { StatusLine } from './commands/status-line.ts';
import { formatConfig, formatStatus, status } from './commands/status.ts';
import { createTenant, listTenants, setTenantSuspended } from './commands/tenant.ts';
import { token } from './commands/token.ts';
import { UsageError } from './commands/usage-error.ts';
import { ConfigError, parseConfig } from './config/parse-config.ts';
import type { Config } from './config/config.ts';
import { describeChoice, doubtChoice } from './database-choice.ts';
import type { Database, Executor } from './db/database.ts';
import { takeEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { makeJobs } from './jobs/registry.ts';
import { retain, retentionLock } from './jobs/retain.ts';
import { makeLog } from './log.ts';
import { backupLock } from './jobs/back-up.ts';
import { makeBackUp } from './jobs/make-back-up.ts';
import { drillLock, makeDrill } from './jobs/drill.ts';
import { recordRun } from './jobs/job-run.ts';
import type { JobRun } from './jobs/job-run.ts';
import {
  apiDatabase,
  ConnectionsError,
  NoDatabase,
  openConnections,
  operatorDatabase,
  workerDatabase,
} from './open-database.ts';
import type { Connections } from './open-database.ts';
import { isOperational, OperationalError } from './operational-error.ts';
import { requireOwnSession } from './own-session.ts';
import type { SessionNeed } from './own-session.ts';
import type { AsKeeper } from './retention/keeper.ts';
import { version } from './version.ts';

/** Exit statuses, the same for every command; docs/commands.md lists them. */
export const exitStatus = { ok: 0, failed: 1, usage: 2, notReady: 3 } as const;

/** Flags of `lightning rest`, at most one of which counts. */
interface RestFlags {
  readonly example?: true;
  readonly dumpConfig?: true;
  readonly dumpSchema?: true;
  readonly ready?: true;
}

/** What a command works with that does a job of the worker's. */
interface WorkerCommand {
  readonly config: Config;
  readonly connections: Connections;
  readonly database: Database;
  readonly asKeeper: AsKeeper;
}

/**
 * Runs one command line and gives back its exit status. `processVariables` are the process's own; see takeEnvironment. The only catch-all: every error becomes a line that says what
 * was wrong; what nobody expected shows its stack.
 */
export async function main(
  argv: readonly string[],
  processVariables: Record<string, string | undefined>,
): Promise<number> {
  let result: number = exitStatus.ok;
  const environment = takeEnvironment(processVariables, process.cwd());
  const program = makeProgram(environment, (code) => {
    result = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return result;
  } catch (error) {
    return report(error);
  }
}

function makeProgram(environment: Environment, setResult: (code: number) => void): Command {
  const env = environment.variables;
  const log = makeLog(process.stderr, () => new Date());
  const print = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };

  const program = new Command('lightning')
    .description('The durable, Postgres-native home for the state of AI agents')
    .version(version, '-V, --version', 'print the version')
    .exitOverride()
    .showHelpAfterError('(--help lists what is allowed)')
    .addHelpText(
      'after',
      '\nThe configuration comes from the environment and from .env: lightning status --config shows it.',
    );

  // Loaded when it is needed: PostGraphile takes a second, and `token` should not.
  const serving = () => import('./commands/serve.ts');

  /** The configuration; a warning says when its database may not be the one that was meant. */
  const configure = (): Config => {
    const config = parseConfig(env);
    const doubt = doubtChoice(config, environment);
    if (doubt !== null) log({ level: 'warning', event: 'database-doubted', message: doubt });
    return config;
  };
  const announceDatabase = (config: Config) => {
    const message = `the database is ${describeChoice(config, environment)}`;
    log({ level: 'info', event: 'database-chosen', message });
  };

  /**
   * What a command is to an embedded database. `make`: it makes one that is not there. `change`: it works on one that is there.
   * Both migrate it; on a server that is a step of its own. `look`: it leaves everything as it is.
   */
  type Need = 'make' | 'change' | 'look';

  /** `session`: what needs a session of the server's own; null: a pooler may be in between. */
  const withConnections = async (
    need: Need,
    session: SessionNeed | null,
    work: (connections: Connections, config: Config) => Promise<void>,
  ) => {
    const config = configure();
    const connections = await openConnections(config, log, { attach: true, make: need === 'make' });
    try {
      if (session !== null) await requireOwnSession(connections, session);
      if (connections.kind === 'embedded' && need !== 'look') {
        await (await serving()).migrateTo(connections, config, log);
      }
      await work(connections, config);
    } finally {
      await connections.close();
    }
  };

  const withOperator = (
    need: Need,
    work: (database: Database, config: Config) => Promise<void>,
    session: SessionNeed | null = null,
  ) =>
    withConnections(need, session, async (connections, config) => {
      const database = operatorDatabase(connections, config, log);
      try {
        if (need === 'look' && connections.kind === 'embedded') await requireSchema(database);
        await work(database, config);
      } finally {
        await database.close();
      }
    });

  /** As whoever may read the ops views. */
  const withOperations = (work: (executor: Executor) => Promise<void>) =>
    withConnections('look', 'worker', async (connections, config) => {
      const operations = operationsDatabase(connections, config, log);
      if (operations === null) {
        throw new ConnectionsError(
          'WORKER_DATABASE_URL or MIGRATE_DATABASE_URL is needed; `lightning setup` prints them when it makes the logins',
        );
      }
      try {
        if (connections.kind === 'embedded') await requireSchema(operations.executor);
        await work(operations.executor);
      } finally {
        await operations.close();
      }
    });

  /** As the worker, which a command may be in its place. */
  const withWorker = (need: Need, work: (worker: WorkerCommand) => Promise<void>) =>
    withConnections(need, 'worker', async (connections, config) => {
      const { database, asKeeper, close } = workerDatabase(connections, config, log);
      try {
        if (need === 'look' && connections.kind === 'embedded') await requireSchema(database);
        await work({ config, connections, database, asKeeper });
      } finally {
        await close();
      }
    });

  const reportStop = (unfinished: readonly string[]): void => {
    if (unfinished.length === 0) log({ level: 'info', event: 'stopped', message: 'stopped' });
    else log({ level: 'error', event: 'stopped-unfinished', message: `stopped; ${unfinished.join('; ')}` });
  };

  const work = (duties: Duties) => async () => {
    const { run } = await serving();
    const config = configure();
    announceDatabase(config);
    const running = await run(config, duties, log, () => new Date());
    // Before it says that it is there: who waits for that may send a signal at once.
    const stopped = untilSignal();
    if (running.url) {
      print(`REST      ${running.url}/rest/v1`);
      print(`GraphQL   ${running.url}/graphql`);
      print(`GraphiQL  ${running.url}/graphiql`);
    }
    if (running.token) print(`Token     ${running.token}`);
    const signal = await stopped;
    log({ level: 'info', event: 'stopping', message: `${signal}: ending what is running`, signal });
    const unfinished = await running.stop();
    if (unfinished.length > 0) setResult(exitStatus.failed);
    reportStop(unfinished);
  };

  program
    .command('start')
    .description('migrate, then serve the API and run the worker, in one process')
    .action(work({ migrate: true, api: true, worker: true }));
  program
    .command('serve')
    .description('serve the API')
    .action(work({ migrate: false, api: true, worker: false }));
  program
    .command('work')
    .description('run the worker')
    .action(work({ migrate: false, api: false, worker: true }));

  program
    .command('rest [file]')
    .description(
      'serve any database over REST, configured as the postgrest program is; touches nothing of it',
    )
    .option('-e, --example', 'show a configuration file')
    .option('--dump-config', 'show the configuration as it takes effect, secrets included')
    .option('--dump-schema', 'show the catalog as it was read, as JSON')
    .option('--ready', 'ask a running one, at its admin server, whether it can answer requests')
    .action(async (file: string | undefined, options: RestFlags) => {
      const commands = await import('./commands/rest-tools.ts');
      // As the postgrest program: nothing of `.env`, and libpq's variables as libpq has them.
      const { exported } = environment;
      if (options.example) return print(commands.exampleConfig());
      if (options.dumpConfig) return print(await commands.dumpRestConfig({ env: exported, file, log }));
      if (options.dumpSchema) return print(await commands.dumpRestSchema({ env: exported, file, log }));
      if (options.ready) return print(await commands.askReady({ env: exported, file }));
      const { startRest } = await import('./commands/rest-server.ts');
      const stopped = untilSignal();
      const rest = startRest({ env: exported, file, log, writeAccess: print });
      // On Windows there are no such signals; a NOTIFY does the same.
      if (process.platform !== 'win32') {
        for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => rest.reload());
      }
      try {
        const signal = await Promise.race([stopped, rest.failed]);
        log({ level: 'info', event: 'stopping', message: `${signal}: ending what is running`, signal });
      } finally {
        const unfinished = await rest.stop();
        if (unfinished.length > 0) setResult(exitStatus.failed);
        reportStop(unfinished);
      }
    });

  program
    .command('migrate')
    .description('bring the database to the newest schema')
    .action(async () => {
      const config = configure();
      announceDatabase(config);
      const connections = await openConnections(config, log, { attach: true });
      try {
        const { migrateTo } = await serving();
        await migrateTo(connections, config, log);
      } finally {
        await connections.close();
      }
    });

  program
    .command('setup')
    .description(
      'prepare a fresh server: roles, database, logins; prints their URLs as environment variables, or writes them to a file',
    )
    .requiredOption(
      '--admin-url <url>',
      'an administrator of the server, e.g. postgres://postgres:...@host:5432/postgres',
    )
    .option('--database <name>', 'the database to make', env['DB_NAME'] || 'agent_lightning')
    .option('--api-login <name>', "the API's login", env['DB_USER'] || 'agent_user')
    .option('--migrate-login <name>', 'the login of migrations', 'agent_migrate')
    .option('--worker-login <name>', "the worker's login", 'agent_worker')
    .option('--backup-login <name>', 'the login of backups', 'agent_backup')
    .option(
      '--write-env [file]',
      'write the URLs and a JWT_SECRET to this file (.env), its other lines as they are, readable by you only',
    )
    .action((flags: SetupFlags) => setup({ flags, environment, print, log }));

  const statusLines = async (config: Config): Promise<StatusLine[]> => {
    const chosen = statusLine('configured', true, describeChoice(config, environment));
    let connections: Connections;
    try {
      connections = await openConnections(config, log, { attach: true, make: false });
    } catch (error) {
      if (!(error instanceof NoDatabase)) throw error;
      return [chosen, statusLine('database', false, 'none', error.message)];
    }
    try {
      const database = apiDatabase(connections, config, log);
      try {
        const pooler = await poolerLines(connections);
        const behindPooler = pooler.some(({ name }) => name === 'pooler');
        const lines = [chosen, ...(await status(database, config, { behindPooler })), ...pooler];
        // A schema that is not there has no views to ask.
        const operations = lines.every(({ name, ok }) => name !== 'schema' || ok)
          ? operationsDatabase(connections, config, log)
          : null;
        try {
          if (operations) {
            const found = await operationsStatus(operations.executor);
            lines.push(...found);
            // One line says already that nobody can be asked.
            if (found.every(({ name }) => name !== 'operations'))
              lines.push(...(await partitionsStatus(operations.executor)));
          }
        } finally {
          await operations?.close();
        }
        return lines;
      } finally {
        await database.close();
      }
    } finally {
      await connections.close();
    }
  };

  program
    .command('status')
    .description('what the database is, and whether it is fit')
    .option('--check', `exit with ${exitStatus.notReady} unless everything is fit`)
    .option('--config', 'show the configuration instead, secrets hidden')
    .action(async (options: { check?: true; config?: true }) => {
      if (options.config) {
        parseConfig(env);
        print(formatConfig(environment));
        return;
      }
      const config = configure();
      const lines = await statusLines(config);
      print(formatStatus(lines));
      if (options.check && lines.some(({ ok }) => !ok)) setResult(exitStatus.notReady);
    });

  program
    .command('token')
    .description('print a token for the API')
    .option('--tenant <id>', 'the tenant', 'default')
    .option('--role <role>', 'member, service or admin', 'service')
    .option('--subject <name>', 'who it is for; ends up in the audit log', 'cli')
    .option('--expires <duration>', 'such as 30m, 12h or 90d, or never', '12h')
    .action(async (options: { tenant: string; role: string; subject: string; expires: string }) => {
      print(await token(configure(), options, new Date()));
    });

  const jobs = program
    .command('jobs')
    .description('the queue of jobs: what runs and how far it is, what waits, what failed')
    .action(() =>
      withOperations(async (executor) => {
        for (const job of await listJobs(executor)) print(formatJob(job));
      }),
    );
  jobs
    .command('run <task>')
    .description('have a worker run a task now, and follow it to its end')
    .option('--payload <json>', 'what the task takes')
    .action((task: string, options: { payload?: string }) =>
      // Whoever runs the worker has migrated.
      withWorker('look', async ({ connections, database }) => {
        // Only to know the tasks and their payloads: the worker runs them.
        const known = makeJobs({
          executor: database,
          kind: connections.kind,
          embed: null,
          alertWebhook: null,
          log,
        });
        const end = await runTaskNow({
          executor: database,
          jobs: known,
          task,
          payload: options.payload,
          print,
        });
        if (end === 'failed') setResult(exitStatus.failed);
      }),
    );

  program
    .command('alerts')
    .description('what is wrong')
    .option('--all', 'what was wrong in the last thirty days, too')
    .action((options: { all?: true }) =>
      withOperations(async (executor) => {
        for (const alert of await listAlerts(executor, options.all ?? false)) print(formatAlert(alert));
      }),
    );

  const tenant = program.command('tenant').description('tenants');
  tenant
    .command('create <id>')
    .description('make a tenant')
    .option('--name <name>', 'the name to show; by default the id')
    .action((id: string, options: { name?: string }) =>
      withOperator('make', async (database, { rolePrefix }) => {
        await createTenant(database, rolePrefix, id, options.name ?? id);
        print(`tenant ${id} is there`);
      }),
    );
  tenant
    .command('list')
    .description('all tenants with their logins')
    .action(() =>
      withOperator('look', async (database, { rolePrefix }) => {
        for (const { id, name, suspended_at, logins } of await listTenants(database, rolePrefix)) {
          print(
            [
              id,
              name,
              suspended_at ? `suspended ${suspended_at.toISOString()}` : 'active',
              logins.join(','),
            ].join('\t'),
          );
        }
      }),
    );
  for (const [verb, suspended] of [
    ['suspend', true],
    ['resume', false],
  ] as const) {
    tenant
      .command(`${verb} <id>`)
      .description(suspended ? 'lock a tenant out; its data stays' : 'let a tenant in again')
      .action((id: string) =>
        withOperator('change', async (database, { rolePrefix }) => {
          await setTenantSuspended(database, rolePrefix, id, suspended);
          print(`tenant ${id} is ${suspended ? 'suspended' : 'active'}`);
        }),
      );
  }

  const login = program.command('login').description("analysts' own logins to the database");
  login
    .command('create <name>')
    .description('make a login that sees one tenant; prints its password, once')
    .requiredOption('--tenant <id>', 'the tenant that it sees')
    .action((name: string, options: { tenant: string }) =>
      withOperator('change', async (database, { rolePrefix }) =>
        print(await createLogin(database, rolePrefix, name, options.tenant)),
      ),
    );
  login
    .command('rotate <name>')
    .description('give a login a new password; prints it, once')
    .action((name: string) =>
      withOperator('change', async (database, { rolePrefix }) =>
        print(await rotateLogin(database, rolePrefix, name)),
      ),
    );
  login
    .command('drop <name>')
    .description('remove a login')
    .action((name: string) =>
      withOperator('change', async (database, { rolePrefix }) => {
        await dropLogin(database, rolePrefix, name);
        print(`login ${name} is gone`);
      }),
    );

  program
    .command('retention')
    .description('remove what the policies do not keep: ops.retention_policies')
    .option('--dry-run', 'say what would go, and how much, of whom')
    .action((options: { dryRun?: true }) =>
      withWorker(options.dryRun ? 'look' : 'change', async ({ database, asKeeper }) => {
        const now = new Date();
        const lines = options.dryRun
          ? await dryRun(database, now)
          : await recordRun(database, { task: 'retention', lock: retentionLock }, (run) =>
              retain({ executor: database, asKeeper }, now, {
                signal: run.signal,
                progress: (fraction, note) => {
                  run.progress(fraction, note);
                  log({ level: 'info', event: 'retention', message: note });
                },
              }),
            );
        for (const line of lines.length > 0 ? lines : ['nothing had to go']) print(line);
      }),
    );

  program
    .command('import <folder>')
    .description('load the state of the legacy system')
    .option('--tenant <id>', 'the tenant that it belongs to', 'default')
    .option('--create-missing-agents', 'make an agent for knowledge whose agent has no definition')
    .option('--quarantine <file>', 'where to write what cannot be stored (default: quarantine-<time>.jsonl)')
    .action((folder: string, options: { tenant: string; createMissingAgents?: true; quarantine?: string }) =>
      withOperator(
        'make',
        async (database, { rolePrefix }) => {
          setResult(
            await importCommand({
              database,
              rolePrefix,
              folder,
              tenantId: options.tenant,
              createMissingAgents: options.createMissingAgents ?? false,
              quarantineFile:
                options.quarantine ?? `quarantine-${new Date().toISOString().replaceAll(':', '')}.jsonl`,
              out: process.stdout,
              progress: process.stderr,
            }),
          );
        },
        'imports',
      ),
    );

  const showProgress = progressLine(process.stderr);
  /** What a run records of its progress is on the screen, too. */
  const alsoShown = ({ signal, progress }: JobRun): Pick<JobRun, 'signal' | 'progress'> => ({
    signal,
    progress: (fraction, note) => {
      progress(fraction, note);
      showProgress(fraction, note);
    },
  });

  const backup = program
    .command('backup')
    .description('back the database up: what changed since the last backup, or all of it when that is due')
    .option('--full', 'all of it')
    .option('--incremental', 'what changed, however old the last full backup is')
    .action(async (options: { full?: true; incremental?: true }) => {
      if (options.full && options.incremental)
        throw new UsageError('--full and --incremental exclude each other');
      const requested = options.full ? 'full' : options.incremental ? 'incremental' : 'auto';
      await withWorker('change', async ({ config, connections, database }) => {
        const backUp = makeBackUp(config, connections.worker ?? '', database, log, () => new Date());
        if (!backUp) throw new UsageError(noBackups(config));
        const job = { task: 'back_up', lock: backupLock, details: { requested }, signal: untilAborted() };
        print(await recordRun(database, job, (run) => backUp(requested, alsoShown(run))));
      });
    });
  backup
    .command('drill')
    .description('prove the newest backups: restore them, and compare every row with the database')
    .action(() =>
      withWorker('change', async ({ config, database }) => {
        const drill = makeDrill(config, database, log, () => new Date());
        if (!drill) throw new UsageError(noBackups(config));
        const job = { task: 'drill', lock: drillLock, signal: untilAborted() };
        print(await recordRun(database, job, (run) => drill(alsoShown(run))));
      }),
    );
  backup
    .command('verify')
    .description('read every stored byte of the backups and of their WAL, and name what is wrong')
    .action(async () => {
      const { ok, text } = await verifyBackups(configure(), showProgress, untilAborted());
      print(text);
      if (!ok) setResult(exitStatus.failed);
    });
  program
    .command('backups')
    .description('the backups that there are, and to which moments a restore can go')
    .action(async () => print(await listBackups(configure())));
  program
    .command('restore')
    .description('make a data directory of a moment, from the store alone; nothing that runs is touched')
    .requiredOption('--to <moment>', 'latest, a time with its zone, or a position in the WAL')
    .requiredOption('--into <directory>', 'the data directory to make; not there yet, or empty')
    .option('--from <backup>', 'the backup to begin with; by default the newest that is early enough')
    .action(async (flags: RestoreFlags) =>
      print(await restore(configure(), flags, showProgress, untilAborted())),
    );
  program
    .command('recover <directory>')
    .description('start a server on a restored directory, and wait until it has replayed and takes writes')
    .requiredOption('--port <port>', 'where it listens')
    .option('--socket-directory <directory>', 'where its Unix socket is', '/tmp')
    .action(async (directory: string, flags: RecoverFlags) =>
      print(await recover(parseConfig(env), directory, flags, showProgress, untilAborted())),
    );

  return program;
}

/** Shows how far something long is: once a second at most, and nothing of what is over sooner. */
function progressLine(stream: NodeJS.WritableStream): (fraction: number | null, note: string) => void {
  let shownAt = performance.now();
  return (fraction, note) => {
    if (performance.now() - shownAt < 1_000) return;
    shownAt = performance.now();
    stream.write(`${fraction === null ? '   ' : `${Math.floor(fraction * 100)} %`} ${note}\n`);
  };
}

/** Aborted by the first signal that asks the process to end; what is under way then ends as if it had failed. */
function untilAborted(): AbortSignal {
  const asked = new AbortController();
  void untilSignal().then((signal) => asked.abort(new OperationalError(`ended by ${signal}`)));
  return asked.signal;
}

/** One Ctrl-C arrives more than once where npm or `bin/lightning` passes on what the terminal sends to all of them. */
const sameSignalMs = 500;

/** Resolves with the first signal that asks the process to end; a later one ends it at once. */
function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let askedAt: number | null = null;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (askedAt !== null && performance.now() - askedAt > sameSignalMs) process.exit(exitStatus.failed);
        askedAt ??= performance.now();
        resolve(signal);
      });
    }
  });
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed what was wrong; --help and --version arrive here too, with exit code 0.
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
  }
  const message = isOperational(error)
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`lightning: ${message}\n`);
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined;
  if (typeof hint === 'string') process.stderr.write(`  ${hint}\n`);
  return error instanceof ConfigError || error instanceof UsageError || error instanceof TokenError
    ? exitStatus.usage
    : exitStatus.failed;
}

/** Why there are no backups of what is configured, and what to do. */
function noBackups({ useDatabase, server }: Config): string {
  if (!useDatabase) return 'USE_DATABASE=false keeps nothing, so there is nothing to back up';
  return server?.backupUrl
    ? 'BACKUP_STORE is missing: set it to a directory or to s3://bucket/prefix'
    : 'BACKUP_DATABASE_URL is missing; `lightning setup` prints it when it makes the login';
}
