/** How a value is read. `text-or-empty`: an empty value is one; for all others it is as good as none. */
export type OptionType = 'text' | 'text-or-empty' | 'number' | 'boolean';

/** An option of PostgREST's configuration page: what the documentation's table and the parser are both made of. */
export interface PostgrestOption {
  /** As in a configuration file; `PGRST_` and upper case with underscores in the environment. */
  readonly name: string;
  readonly type: OptionType;
  /** As it is written in a configuration file, without quotes; empty: none. */
  readonly fallback: string;
  /** Older names, which still work. */
  readonly aliases?: readonly string[];
  /** May be set in the database, as `pgrst.` and the name with underscores. */
  readonly inDatabase: boolean;
  /** Takes effect at `reload config`; else at the next start. */
  readonly reloadable: boolean;
  readonly meaning: string;
}

/** Every option of PostgREST 16, in the order of the alphabet. `app.settings.*` are beside them. */
export const postgrestOptions = [
  {
    name: 'admin-server-host',
    type: 'text',
    fallback: '',
    inDatabase: false,
    reloadable: false,
    meaning: 'address of the admin server; by default `server-host`',
  },
  {
    name: 'admin-server-port',
    type: 'number',
    fallback: '',
    inDatabase: false,
    reloadable: false,
    meaning: 'port of the admin server; without it and without a socket there is none',
  },
  {
    name: 'admin-server-unix-socket',
    type: 'text',
    fallback: '',
    inDatabase: false,
    reloadable: false,
    meaning: 'socket of the admin server, instead of a port',
  },
  {
    name: 'admin-server-unix-socket-mode',
    type: 'text',
    fallback: '660',
    inDatabase: false,
    reloadable: false,
    meaning: 'its file mode, octal, 600 to 777',
  },
  {
    name: 'client-error-verbosity',
    type: 'text',
    fallback: 'verbose',
    inDatabase: true,
    reloadable: true,
    meaning: '`minimal`: errors have no details and no hint',
  },
  {
    name: 'db-aggregates-enabled',
    type: 'boolean',
    fallback: 'false',
    inDatabase: true,
    reloadable: true,
    meaning: 'whether `select` may have `sum()`, `count()` and the like',
  },
  {
    name: 'db-anon-role',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'role of requests without a token; without it they are refused',
  },
  {
    name: 'db-channel',
    type: 'text',
    fallback: 'pgrst',
    inDatabase: false,
    reloadable: false,
    meaning: 'channel whose notifications reload catalog and configuration',
  },
  {
    name: 'db-channel-enabled',
    type: 'boolean',
    fallback: 'true',
    inDatabase: false,
    reloadable: false,
    meaning: 'whether to listen to it',
  },
  {
    name: 'db-config',
    type: 'boolean',
    fallback: 'true',
    inDatabase: false,
    reloadable: true,
    meaning: 'whether the configuration in the database counts, and the settings of roles',
  },
  {
    name: 'db-extra-search-path',
    type: 'text-or-empty',
    fallback: 'public',
    inDatabase: true,
    reloadable: true,
    meaning: 'schemas that functions and operators are found in, beside the exposed one',
  },
  {
    name: 'db-hoisted-tx-settings',
    type: 'text',
    fallback: 'statement_timeout,plan_filter.statement_cost_limit,default_transaction_isolation',
    inDatabase: true,
    reloadable: true,
    meaning: 'settings of functions that hold for the whole transaction',
  },
  {
    name: 'db-max-rows',
    type: 'number',
    fallback: '',
    aliases: ['max-rows'],
    inDatabase: true,
    reloadable: true,
    meaning: 'most rows of a read; without it there is no limit',
  },
  {
    name: 'db-plan-enabled',
    type: 'boolean',
    fallback: 'false',
    inDatabase: true,
    reloadable: true,
    meaning: 'whether plans may be asked for (`application/vnd.pgrst.plan`)',
  },
  {
    name: 'db-pool',
    type: 'number',
    fallback: '10',
    inDatabase: false,
    reloadable: false,
    meaning: 'most connections to the database',
  },
  {
    name: 'db-pool-acquisition-timeout',
    type: 'number',
    fallback: '10',
    inDatabase: false,
    reloadable: false,
    meaning: 'seconds that a request waits for a connection',
  },
  {
    name: 'db-pool-automatic-recovery',
    type: 'boolean',
    fallback: 'true',
    inDatabase: false,
    reloadable: true,
    meaning: '`false`: the process ends when it cannot reach the database, instead of trying again',
  },
  {
    name: 'db-pool-max-idletime',
    type: 'number',
    fallback: '30',
    aliases: ['db-pool-timeout'],
    inDatabase: false,
    reloadable: false,
    meaning: 'seconds after which an unused connection is closed',
  },
  {
    name: 'db-pool-max-lifetime',
    type: 'number',
    fallback: '1800',
    inDatabase: false,
    reloadable: false,
    meaning: 'seconds after which a connection is replaced',
  },
  {
    name: 'db-pre-config',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'function that sets the configuration in the database',
  },
  {
    name: 'db-pre-request',
    type: 'text',
    fallback: '',
    aliases: ['pre-request'],
    inDatabase: true,
    reloadable: true,
    meaning: 'function that is called before every request, under its role',
  },
  {
    name: 'db-prepared-statements',
    type: 'boolean',
    fallback: 'true',
    inDatabase: true,
    reloadable: false,
    meaning: '`false` behind a pooler that hands a connection on after each transaction',
  },
  {
    name: 'db-root-spec',
    type: 'text',
    fallback: '',
    aliases: ['root-spec'],
    inDatabase: true,
    reloadable: true,
    meaning: 'function that answers at `/` instead of the OpenAPI document',
  },
  {
    name: 'db-schemas',
    type: 'text',
    fallback: 'public',
    aliases: ['db-schema'],
    inDatabase: true,
    reloadable: true,
    meaning: 'exposed schemas; the first is the default',
  },
  {
    name: 'db-tx-end',
    type: 'text',
    fallback: 'commit',
    inDatabase: true,
    reloadable: true,
    meaning: '`commit`, `rollback`, or either with `-allow-override` for `Prefer: tx=`',
  },
  {
    name: 'db-uri',
    type: 'text',
    fallback: 'postgresql://',
    inDatabase: false,
    reloadable: false,
    meaning:
      'the database, as for libpq (URI or `key=value`, `PG*` variables for the rest); `@file` reads it',
  },
  {
    name: 'jwt-aud',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'audience that tokens must be for; without it any',
  },
  {
    name: 'jwt-cache-max-entries',
    type: 'number',
    fallback: '1000',
    inDatabase: true,
    reloadable: true,
    meaning: 'tokens whose signature is remembered; 0 for none',
  },
  {
    name: 'jwt-role-claim-key',
    type: 'text',
    fallback: '$.role',
    aliases: ['role-claim-key'],
    inDatabase: true,
    reloadable: true,
    meaning: 'JSON Path of the role in a token',
  },
  {
    name: 'jwt-secret',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'secret of 32 bytes or more, JSON Web Key, or set of them; `@file` reads it',
  },
  {
    name: 'jwt-secret-is-base64',
    type: 'boolean',
    fallback: 'false',
    aliases: ['secret-is-base64'],
    inDatabase: true,
    reloadable: true,
    meaning: 'whether the secret is base64',
  },
  {
    name: 'log-level',
    type: 'text',
    fallback: 'error',
    inDatabase: false,
    reloadable: true,
    meaning:
      'requests that are logged: `crit` none, `error` those with 5xx, `warn` 4xx too, `info` and `debug` all',
  },
  {
    name: 'log-query',
    type: 'boolean',
    fallback: 'false',
    inDatabase: false,
    reloadable: true,
    meaning: 'whether the SQL of every request is logged, without its values',
  },
  {
    name: 'openapi-mode',
    type: 'text',
    fallback: 'follow-privileges',
    inDatabase: true,
    reloadable: true,
    meaning: '`follow-privileges`, `ignore-privileges` or `disabled`',
  },
  {
    name: 'openapi-security-active',
    type: 'boolean',
    fallback: 'false',
    inDatabase: true,
    reloadable: true,
    meaning: 'whether the OpenAPI document describes tokens',
  },
  {
    name: 'openapi-server-proxy-uri',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'address of the API as clients see it',
  },
  {
    name: 'server-cors-allowed-origins',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'origins whose pages may use the API; without it all',
  },
  {
    name: 'server-host',
    type: 'text',
    fallback: '127.0.0.1',
    inDatabase: false,
    reloadable: false,
    meaning:
      'address of the API; `*` `*4` `*6` any, `!4` any IPv4, `!6` any IPv6. **Default in PostgREST: `!4`**',
  },
  {
    name: 'server-port',
    type: 'number',
    fallback: '3000',
    inDatabase: false,
    reloadable: false,
    meaning: 'port of the API; 0 for any that is free',
  },
  {
    name: 'server-reuseport',
    type: 'boolean',
    fallback: 'false',
    inDatabase: false,
    reloadable: false,
    meaning: 'whether several processes may share the port',
  },
  {
    name: 'server-timing-enabled',
    type: 'boolean',
    fallback: 'false',
    inDatabase: true,
    reloadable: true,
    meaning: 'whether answers have a `Server-Timing` header',
  },
  {
    name: 'server-trace-header',
    type: 'text',
    fallback: '',
    inDatabase: true,
    reloadable: true,
    meaning: 'header of a request that its answer repeats',
  },
  {
    name: 'server-unix-socket',
    type: 'text',
    fallback: '',
    inDatabase: false,
    reloadable: false,
    meaning: 'socket of the API, instead of a port',
  },
  {
    name: 'server-unix-socket-mode',
    type: 'text',
    fallback: '660',
    inDatabase: false,
    reloadable: false,
    meaning: 'its file mode, octal, 600 to 777',
  },
  {
    name: 'url-use-legacy-target-names',
    type: 'boolean',
    fallback: 'true',
    inDatabase: true,
    reloadable: true,
    meaning: 'whether filters on an aliased embed may name the relation',
  },
] as const satisfies readonly PostgrestOption[];

export type PostgrestOptionName = (typeof postgrestOptions)[number]['name'];

/** The name of an option in the environment. */
export function environmentName(option: string): string {
  return `PGRST_${option.replaceAll('-', '_').toUpperCase()}`;
}

/** The name of an option in the database, without `pgrst.`. */
export function databaseName(option: string): string {
  return option.replaceAll('-', '_');
}
