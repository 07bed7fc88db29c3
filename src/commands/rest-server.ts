import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { userInfo } from 'node:os';
import path from 'node:path';
import { ConfigError } from '../config/parse-config.ts';
import { arrivalLimits, cutOffUnread, defaultHttpLimits, logUnread } from '../http/limits.ts';
import { answerUnreadable, maxHeaderBytes } from '../http/unreadable-request.ts';
import type { Log } from '../log.ts';
import { accessLogLine } from '../postgrest/access-log.ts';
import { makeAdminServer } from '../postgrest/admin-server.ts';
import { readConfigFile, ConfigFileError } from '../postgrest/config-file.ts';
import { parsePostgrestConfig } from '../postgrest/config.ts';
import type { PostgrestConfig } from '../postgrest/config.ts';
import { ConnectionStringError, parseConnectionString } from '../postgrest/connection-string.ts';
import { postgrestCors } from '../postgrest/cors.ts';
import { connectionTarget } from '../postgrest/connection-target.ts';
import type { ConnectionTarget, MachineDefaults } from '../postgrest/connection-target.ts';
import { endServer } from '../http/end-server.ts';
import { hasAddress, listenAt } from '../postgrest/listen-address.ts';
import type { ListenAddress } from '../postgrest/listen-address.ts';
import { PostgrestService, ServiceFailed } from '../postgrest/service.ts';
import { endAll } from '../ending.ts';
import { makeRestHandler } from '../rest/handler.ts';
import type { Answered } from '../rest/answered.ts';
import type { RestHandler } from '../rest/handler.ts';
import { unreadableAnswer } from '../rest/response/unreadable-answer.ts';
import { version } from '../version.ts';

/** The start parameters of `lightning rest`. */
export interface RestCommand {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of a PostgREST configuration file; undefined: there is none. */
  readonly file: string | undefined;
  readonly log: Log;
  /** Called with each line of the access log. */
  readonly writeAccess: (line: string) => void;
}

/** A running `lightning rest`. */
export interface RunningRest {
  /** Resolves with the API's address once it listens. */
  readonly listening: Promise<string>;
  /** Rejects when the process cannot go on. Never resolves. */
  readonly failed: Promise<never>;
  /** Reads the configuration and the catalog again. */
  reload(): void;
  /**
   * Drains requests and closes the database, within 25 s. Returns a sentence for each part that did not end in
   * time.
   */
  stop(): Promise<readonly string[]>;
}

/** Time for the whole process to end. */
const shutdownMs = 25_000;

/**
 * Serves a database over REST as the `postgrest` program does, and nothing else: it runs no migrations and no
 * worker, and keeps nothing of ours in the database. The API listens once the database was tried for the first
 * time, whatever the outcome. Throws ConfigError.
 */
export function startRest(command: RestCommand): RunningRest {
  const { log } = command;
  const { config, target } = readRestConfig(command);
  for (const warning of config.warnings) log({ level: 'warning', event: 'config', message: warning });

  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  // The caller may await it, but does not have to.
  failed.catch(() => {});

  const service = new PostgrestService({
    config,
    target,
    readConfig: (database) => reloadRestConfig(command, database),
    log,
    onFatal: fail,
  });
  let poolTimeouts = 0;
  const handle = serviceHandler(command, service, (answered) => {
    if (answered.status === 504) poolTimeouts++;
    const line = accessLogLine(answered, service.config.logLevel, new Date());
    if (line !== null) command.writeAccess(line);
  });
  const limits = arrivalLimits(defaultHttpLimits);
  const api = createServer({ ...limits, maxHeaderSize: maxHeaderBytes, keepAliveTimeout: 30_000 }, handle);
  answerUnreadable(api, unreadableAnswer);
  const admin = makeAdminServer({ service, api, poolTimeouts: () => poolTimeouts });
  for (const server of [api, admin]) {
    cutOffUnread(server, defaultHttpLimits, (address) => logUnread(address, log));
  }

  /** A server that began to listen while the others end would keep the process alive for ever. */
  const open = async (server: Server, address: ListenAddress): Promise<string> => {
    const at = await listenAt(server, address);
    if (stopping === undefined) return at;
    await endServer(server, 0);
    throw new ServiceFailed('it was told to stop before it listened');
  };
  const listen = async (): Promise<string> => {
    if (hasAddress(config.admin)) {
      const at = await open(admin, config.admin);
      log({
        level: 'info',
        event: 'admin-listening',
        message: `Admin server listening on ${at}`,
        address: at,
      });
    }
    await service.attempted;
    if (stopping !== undefined) throw new ServiceFailed('it was told to stop before it listened');
    const at = await open(api, config.server);
    log({ level: 'info', event: 'api-listening', message: `API server listening on ${at}`, address: at });
    if (config.server.socket === null && config.server.host === '127.0.0.1') {
      const message =
        'Only this machine can reach it: PGRST_SERVER_HOST=!4 is what PostgREST does by default';
      log({ level: 'info', event: 'loopback-only', message });
    }
    return at;
  };
  let stopping: Promise<readonly string[]> | undefined;
  const listening = listen();
  listening.catch(fail);
  return {
    listening,
    failed,
    reload: () => service.reload(),
    stop: () =>
      (stopping ??= endAll(
        shutdownMs,
        [{ name: 'the API', end: (withinMs) => endServer(api, withinMs) }],
        [
          // The admin server ends last, so that it answers until the end.
          { name: 'the admin server', end: () => endServer(admin, 0) },
          { name: 'the database', end: (withinMs) => service.close(withinMs / 2) },
        ],
      )),
  };
}

/**
 * The configuration from environment and file, and the address of its database. Throws one ConfigError with
 * every problem.
 */
export function readRestConfig(command: Pick<RestCommand, 'env' | 'file'>): {
  config: PostgrestConfig;
  target: ConnectionTarget;
} {
  const config = reloadRestConfig(command, new Map());
  try {
    const parameters = parseConnectionString(config.database.uri.reveal(), command.env);
    const target = connectionTarget(parameters, machineDefaults);
    const warnings = target.ignored.map((name) => `the connection parameter ${name} has no effect here`);
    return { config: { ...config, warnings: [...config.warnings, ...warnings] }, target };
  } catch (error) {
    if (!(error instanceof ConnectionStringError)) throw error;
    throw new ConfigError([`PGRST_DB_URI, with the PG* variables, cannot be used: ${error.message}`]);
  }
}

/** The configuration, including the settings in the database. Throws ConfigError. */
export function reloadRestConfig(
  { env, file }: Pick<RestCommand, 'env' | 'file'>,
  database: ReadonlyMap<string, string>,
): PostgrestConfig {
  try {
    const values = file === undefined ? new Map() : readConfigFile(path.resolve(file), { readText, env });
    return parsePostgrestConfig({ env, file: values, database, readFile });
  } catch (error) {
    if (error instanceof ConfigFileError) throw new ConfigError([error.message]);
    throw error;
  }
}

/** A handler is made for one database. The service may switch to another one when it first reaches the server. */
function serviceHandler(
  { log }: RestCommand,
  service: PostgrestService,
  onAnswered: (answered: Answered) => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  const make = (): RestHandler =>
    makeRestHandler({
      database: service.database,
      schemaCache: () => service.schemaCache,
      identify: (authorization) => service.identification.identify(authorization),
      authorizationOf: ({ authorization }) => authorization,
      crossOrigin: (method, headers) => postgrestCors(method, headers, service.config.corsAllowedOrigins),
      options: () => service.config.rest,
      mountPath: '',
      version,
      log,
      requestIdSetting: null,
      logStatements: service.config.logQuery,
      onAnswered,
    });
  let [database, logQuery] = [service.database, service.config.logQuery];
  let handler = make();
  return (request, response) => {
    if (database !== service.database || logQuery !== service.config.logQuery) {
      [database, logQuery] = [service.database, service.config.logQuery];
      handler = make();
    }
    handler(request, response, request.url ?? '/');
  };
}

function readText(file: string): string {
  return readFileSync(file, 'utf8');
}

/**
 * Contents read from pipes, including standard input: a pipe can be read only once, but the configuration is
 * read again.
 */
const fromPipes = new Map<string, Buffer>();

function readFile(file: string): Buffer {
  const known = fromPipes.get(file);
  if (known) return known;
  const content = readFileSync(file);
  if (!statSync(file).isFile()) fromPipes.set(file, content);
  return content;
}

const machineDefaults: MachineDefaults = {
  get user() {
    return userInfo().username;
  },
  // The directories of Debian and of Postgres' own default.
  socketDirectory: (port) =>
    ['/run/postgresql', '/var/run/postgresql', '/tmp'].find((directory) =>
      existsSync(path.join(directory, `.s.PGSQL.${port}`)),
    ) ?? null,
  readText,
};
