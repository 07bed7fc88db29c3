import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { OptionValues } from '../config/option-values.ts';
import { fileVariable } from '../config/options.ts';
import { ConfigError } from '../config/parse-config.ts';
import { tlsChoice } from '../config/server-config.ts';
import { tlsOf } from '../db/tls.ts';
import type { Tls } from '../db/tls.ts';
import type { Environment } from '../environment.ts';
import { readEnvFile, writeEnvFile } from '../setup/env-file.ts';
import type { EnvFile } from '../setup/env-file.ts';
import { setupServer } from '../setup/setup-server.ts';
import type { LoginNames } from '../setup/setup-names.ts';
import type { LoginUrls } from '../setup/setup-server.ts';
import type { CommandContext } from './command-context.ts';
import { explain } from './explain.ts';
import { warnOfExposure } from './exposed-output.ts';
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
export async function setup(flags: SetupFlags, context: CommandContext): Promise<void> {
  const { environment, print, log } = context;
  if (!/^postgres(ql)?:\/\//.test(flags.adminUrl)) {
    throw new UsageError('--admin-url must have the form postgres://user:password@host:5432/postgres');
  }
  // The file is checked before anything is made: a password that could not be written down would be lost.
  const file = flags.writeEnv === undefined ? null : await readEnvFile(fileName(flags.writeEnv));
  const rolePrefix = environment.variables['DB_ROLE_PREFIX'] || defaultRolePrefix;
  let written: string[] = [];
  const urls = await setupServer({
    adminUrl: withPassword(flags.adminUrl, environment.variables['PGPASSWORD']),
    ssl: tlsToServer(flags.adminUrl, environment),
    databaseName: flags.database,
    rolePrefix,
    logins: {
      api: flags.apiLogin,
      migrate: flags.migrateLogin,
      worker: flags.workerLogin,
      backup: flags.backupLogin,
    },
    log: (message) => log({ level: 'info', event: 'setup', message }),
    // Before the logins are there: when this process is killed between the two, the next run makes other passwords.
    deliver: async (made) => {
      if (file === null) {
        if (Object.keys(known(made)).length > 0) warnOfExposure(context, 'passwords');
        for (const line of linesOf(made)) print(line);
        return;
      }
      const variables = {
        ...known(made),
        ...(rolePrefix !== defaultRolePrefix && { DB_ROLE_PREFIX: rolePrefix }),
        ...(!hasJwtSecret(file, environment) && {
          JWT_SECRET: environment.variables['JWT_SECRET'] || randomBytes(32).toString('hex'),
        }),
      };
      await writeEnvFile(file, variables);
      written = Object.keys(variables);
    },
  });
  if (file === null) return;
  print(`wrote ${written.join(', ') || 'nothing'} to ${file.path}`);
  for (const message of remarks(urls, file, environment)) {
    log({ level: 'warning', event: 'setup', message });
  }
}

/** Whether a later process finds a secret of tokens, as a value or in a file of its own. */
function hasJwtSecret({ variables }: EnvFile, environment: Environment): boolean {
  const file = fileVariable('JWT_SECRET');
  return Boolean(variables['JWT_SECRET'] || variables[file] || environment.variables[file]);
}

function fileName(flag: string | true): string {
  return flag === true ? '.env' : flag;
}

/** The TLS of the administrator's connections, by the same options as every other login's. Throws ConfigError. */
function tlsToServer(adminUrl: string, { variables }: Environment): Tls {
  const values = new OptionValues(variables);
  const choice = tlsChoice(values);
  if (values.problems.length > 0) throw new ConfigError(values.problems);
  return tlsOf(choice, adminUrl);
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
export function addSetup(program: Command, context: CommandContext): void {
  const { environment } = context;
  explain(program.command('setup'), {
    variables: ['DB_NAME', 'DB_USER', 'DB_ROLE_PREFIX', 'DB_SSL', 'DB_SSL_ROOT_CERT'],
    examples: [
      [
        'lightning setup --admin-url postgres://postgres:secret@localhost/postgres --write-env',
        'roles, database and logins; their URLs go to .env',
      ],
    ],
  })
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
    .action((flags: SetupFlags) => setup(flags, context));
}
