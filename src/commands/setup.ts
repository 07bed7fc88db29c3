import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Environment } from '../environment.ts';
import { readEnvFile, writeEnvFile } from '../setup/env-file.ts';
import type { EnvFile } from '../setup/env-file.ts';
import { setupServer } from '../setup/setup-server.ts';
import type { LoginNames, LoginUrls } from '../setup/setup-server.ts';
import type { CommandContext } from './command-context.ts';
import { UsageError } from './usage-error.ts';

/** The flags of `lightning setup`, as they were typed. */
export interface SetupFlags {
  readonly adminUrl: string;
  readonly database: string;
  readonly apiLogin: string;
  readonly migrateLogin: string;
  readonly workerLogin: string;
  readonly backupLogin: string;
  /**
   * The file to write the variables to; true: `.env` of the working directory. Left out: the variables are
   * printed.
   */
  readonly writeEnv?: string | true;
}

const variableNames = {
  api: 'DATABASE_URL',
  migrate: 'MIGRATE_DATABASE_URL',
  worker: 'WORKER_DATABASE_URL',
  backup: 'BACKUP_DATABASE_URL',
} as const satisfies Record<keyof LoginNames, string>;
const kinds = Object.keys(variableNames) as (keyof LoginNames)[];

const defaultRolePrefix = 'lightning';

/**
 * Prepares a server, and prints the URLs of its logins, or writes them to a file with everything else that the
 * next commands need.
 */
export async function setup(
  flags: SetupFlags,
  { environment, print, log }: Pick<CommandContext, 'environment' | 'print' | 'log'>,
): Promise<void> {
  if (!/^postgres(ql)?:\/\//.test(flags.adminUrl)) {
    throw new UsageError('--admin-url must have the form postgres://user:password@host:5432/postgres');
  }
  // The file is checked before anything is made: a password that could not be written down would be lost.
  const file = flags.writeEnv === undefined ? null : await readEnvFile(fileName(flags.writeEnv));
  const rolePrefix = environment.variables['DB_ROLE_PREFIX'] || defaultRolePrefix;
  const urls = await setupServer({
    adminUrl: withPassword(flags.adminUrl, environment.variables['PGPASSWORD']),
    databaseName: flags.database,
    rolePrefix,
    logins: {
      api: flags.apiLogin,
      migrate: flags.migrateLogin,
      worker: flags.workerLogin,
      backup: flags.backupLogin,
    },
    log: (message) => log({ level: 'info', event: 'setup', message }),
  });
  if (file === null) {
    for (const line of linesOf(urls)) print(line);
    return;
  }
  const variables = {
    ...known(urls),
    ...(rolePrefix !== defaultRolePrefix && { DB_ROLE_PREFIX: rolePrefix }),
    ...(!file.variables['JWT_SECRET'] && {
      JWT_SECRET: environment.variables['JWT_SECRET'] || randomBytes(32).toString('hex'),
    }),
  };
  try {
    await writeEnvFile(file, variables);
  } catch (error) {
    for (const line of linesOf(urls)) print(line);
    throw error;
  }
  print(`wrote ${Object.keys(variables).join(', ') || 'nothing'} to ${file.path}`);
  for (const message of remarks(urls, file, environment)) {
    log({ level: 'warning', event: 'setup', message });
  }
}

function fileName(flag: string | true): string {
  return flag === true ? '.env' : flag;
}

/**
 * Adds a password that the URL lacks, like libpq. That keeps the password off the command line, where others
 * could see it.
 */
function withPassword(adminUrl: string, password: string | undefined): string {
  const url = new URL(adminUrl);
  if (url.password === '' && password) url.password = encodeURIComponent(password);
  return url.href;
}

function known(urls: LoginUrls): Record<string, string> {
  const found: Record<string, string> = {};
  for (const kind of kinds) {
    const url = urls[kind];
    if (url !== null) found[variableNames[kind]] = url;
  }
  return found;
}

function linesOf(urls: LoginUrls): string[] {
  return kinds.map((kind) =>
    urls[kind] === null
      ? `# ${variableNames[kind]}: the login already exists, and its password is unchanged`
      : `${variableNames[kind]}=${urls[kind]}`,
  );
}

/** The steps that remain between the file and the next command. */
function remarks(urls: LoginUrls, file: EnvFile, { exported }: Environment): string[] {
  const absent = kinds.filter((kind) => urls[kind] === null && !file.variables[variableNames[kind]]);
  const hidden = Object.keys(known(urls)).filter((name) => exported[name] !== undefined);
  return [
    ...absent.map(
      (kind) =>
        `${file.path} lacks ${variableNames[kind]}: the login already exists, and its password is not known here; add the line yourself`,
    ),
    ...hidden.map((name) => `${name} is exported and overrides ${file.path}: unset ${name}`),
  ];
}

/** `lightning setup` */
export function addSetup(program: Command, { environment, print, log }: CommandContext): void {
  program
    .command('setup')
    .description(
      'prepare a fresh server: roles, database, logins; prints their URLs as environment variables, or writes them to a file',
    )
    .requiredOption(
      '--admin-url <url>',
      'an administrator of the server, e.g. postgres://postgres:...@host:5432/postgres',
    )
    .option(
      '--database <name>',
      'the database to make',
      environment.variables['DB_NAME'] || 'agent_lightning',
    )
    .option('--api-login <name>', "the API's login", environment.variables['DB_USER'] || 'agent_user')
    .option('--migrate-login <name>', 'the login of migrations', 'agent_migrate')
    .option('--worker-login <name>', "the worker's login", 'agent_worker')
    .option('--backup-login <name>', 'the login of backups', 'agent_backup')
    .option(
      '--write-env [file]',
      'write the URLs and a JWT_SECRET to this file (.env), readable by you only; its other lines stay as they are',
    )
    .action((flags: SetupFlags) => setup(flags, { environment, print, log }));
}
