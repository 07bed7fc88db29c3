import path from 'node:path';
import type { Config } from './config/config.ts';
import { fileVariable } from './config/options.ts';
import { readDotEnv } from './environment.ts';
import type { DotEnv, Environment, Variables } from './environment.ts';

/** The variables that name a server, in the order in which one is shown. */
const serverVariables: readonly string[] = [
  'DATABASE_URL',
  'DB_HOST',
  'MIGRATE_DATABASE_URL',
  'WORKER_DATABASE_URL',
  'BACKUP_DATABASE_URL',
  'LISTEN_DATABASE_URL',
];

/** The variable that names a server: the URL of a login, or the file of one. Undefined: none does. */
export function serverVariable(variables: Variables): string | undefined {
  return serverVariables.flatMap((name) => [name, fileVariable(name)]).find((name) => variables[name]);
}

/**
 * The chosen database and the reason for the choice, in words, such as `embedded in /srv/data, because ...`.
 * Never contains secrets.
 */
export function describeChoice(config: Config, environment: Environment): string {
  const { dotEnv } = environment;
  if (!config.useDatabase)
    return `in memory, because USE_DATABASE is false in ${originOf('USE_DATABASE', environment)}`;
  if (config.server) {
    const { url, listenUrl, migrateUrl, workerUrl, backupUrl } = config.server;
    const named = url ?? migrateUrl ?? workerUrl ?? backupUrl ?? listenUrl;
    const name = serverVariable(environment.variables) ?? 'DATABASE_URL';
    return `the server ${addressOf(named?.reveal() ?? '')}, because of ${name} in ${originOf(name, environment)}`;
  }
  return `embedded in ${config.dataDirectory}, because neither DATABASE_URL nor DB_HOST is set ${whereNot(dotEnv)}`;
}

/** The reason why an embedded database may not be the intended one. Null: nothing suggests otherwise. */
export function doubtChoice(config: Config, { exported, dotEnv }: Environment): string | null {
  if (config.server || !config.useDatabase) return null;
  if (dotEnv.kind === 'unreadable') {
    return `${dotEnv.path} cannot be read (${dotEnv.reason}): if it names a server, this is another database`;
  }
  const hidden = serverVariables.find((name) => exported[name] === '');
  if (namesServer(dotEnv)) {
    return hidden === undefined
      ? `${dotEnv.path} names a server, but not in a line of the form NAME=value: this is another database`
      : `${dotEnv.path} names a server, but ${hidden} is exported as empty, which overrides it: this is another database`;
  }
  const beside = readDotEnv(path.dirname(config.dataDirectory));
  return beside.path !== dotEnv.path && namesServer(beside)
    ? `${beside.path} names a server, but is not read, because only ${dotEnv.path} would be: this is another database`
    : null;
}

function originOf(name: string, { exported, dotEnv }: Environment): string {
  return exported[name] === undefined ? dotEnv.path : 'the environment';
}

function whereNot(dotEnv: DotEnv): string {
  switch (dotEnv.kind) {
    case 'absent':
      return `and ${dotEnv.path} does not exist`;
    case 'unreadable':
      return `and ${dotEnv.path} cannot be read`;
    case 'read':
      return `in the environment or in ${dotEnv.path}`;
    default:
      return dotEnv satisfies never;
  }
}

/** Whether the author of the file meant a server, even in a line that the loader does not understand. */
function namesServer(dotEnv: DotEnv): boolean {
  return (
    dotEnv.kind === 'read' &&
    /^\s*(?:export\s+|set\s+)?(?:(?:MIGRATE_|WORKER_|BACKUP_|LISTEN_)?DATABASE_URL(?:_FILE)?|DB_HOST)\b\s*[=:\s]\s*["']?[^\s"'#]/m.test(
      dotEnv.text,
    )
  );
}

/** Host, port and database of a URL. */
function addressOf(connectionString: string): string {
  const url = new URL(connectionString);
  const host = url.searchParams.get('host') ?? url.hostname;
  return `${host}${url.port === '' ? '' : `:${url.port}`}${decodeURIComponent(url.pathname)}`;
}
