import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/parse-config.ts';
import { readConfigFile } from '../../src/postgrest/config-file.ts';
import type { ConfigFileValue } from '../../src/postgrest/config-file.ts';
import { parsePostgrestConfig } from '../../src/postgrest/config.ts';
import type { PostgrestConfig } from '../../src/postgrest/config.ts';
import { dumpConfig } from '../../src/postgrest/dump-config.ts';
import { exampleConfig } from '../../src/postgrest/example-config.ts';
import { environmentName, postgrestOptions } from '../../src/postgrest/option-list.ts';
import type { PostgrestOption } from '../../src/postgrest/option.ts';

interface Given {
  readonly env?: Record<string, string>;
  readonly file?: Record<string, ConfigFileValue>;
  readonly database?: Record<string, string>;
  /** The options by name. */
  readonly files?: Record<string, string | Buffer>;
}

function parse({ env = {}, file = {}, database = {}, files = {} }: Given): PostgrestConfig {
  return parsePostgrestConfig({
    env,
    file: new Map(Object.entries(file)),
    database: new Map(Object.entries(database)),
    readFile: (name) => {
      const content = files[name];
      if (content === undefined) throw new Error('ENOENT: no such file');
      return Buffer.from(content);
    },
  });
}

function problemsOf(given: Given): readonly string[] {
  try {
    parse(given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const secret = 'reallyreallyreallyreallyverysafe';

describe('the configuration of the drop-in', () => {
  it("has PostgREST's defaults when nothing is set, except loopback in place of every address", () => {
    const config = parse({});
    expect(config.rest).toEqual({
      schemas: ['public'],
      schemaAliases: new Map(),
      extraSearchPath: ['public'],
      maxRows: null,
      aggregatesEnabled: false,
      planEnabled: false,
      plannerCounts: true,
      budgets: null,
      preparedStatements: true,
      preRequest: null,
      rootSpec: null,
      tenantColumn: null,
      transactionEnd: 'commit',
      appSettings: [],
      hoistedSettings: [
        'statement_timeout',
        'plan_filter.statement_cost_limit',
        'default_transaction_isolation',
      ],
      openapi: {
        document: { version: '2.0', listensAt: { host: '127.0.0.1', port: 3000 } },
        mode: 'follow-privileges',
        securityActive: false,
        serverProxyUri: null,
      },
      traceHeader: null,
      serverTiming: false,
      errorVerbosity: 'verbose',
      legacyTargetNames: true,
      marksUnstorable: false,
      maxBodyBytes: 268_435_456,
    });
    expect(config.identification).toMatchObject({
      keys: null,
      audience: null,
      anonymousRole: null,
      cacheMaxEntries: 1000,
    });
    expect(config.database.uri.reveal()).toBe('postgresql://');
    expect(config.database).toMatchObject({
      poolSize: 10,
      poolWaitSeconds: 10,
      poolMaxLifetimeSeconds: 1800,
      poolMaxIdleSeconds: 30,
      automaticRecovery: true,
      channel: 'pgrst',
      channelEnabled: true,
      configInDatabase: true,
      preConfig: null,
    });
    expect(config.server).toEqual({
      host: '127.0.0.1',
      port: 3000,
      reusePort: false,
      socket: null,
      socketMode: 0o660,
    });
    expect(config.admin).toMatchObject({ host: '127.0.0.1', port: null, socket: null });
    expect(config.corsAllowedOrigins).toBeNull();
    expect(config.warnings).toEqual([]);
  });

  it('reads every kind of value from the environment', () => {
    const config = parse({
      env: {
        PGRST_DB_SCHEMAS: 'api,  "odd name" ,v2',
        PGRST_DB_EXTRA_SEARCH_PATH: '',
        PGRST_DB_MAX_ROWS: '1000',
        PGRST_DB_PRE_REQUEST: 'private.check_user',
        PGRST_DB_ROOT_SPEC: 'root',
        PGRST_DB_TX_END: 'rollback-allow-override',
        PGRST_APP_SETTINGS_Some_Name: 'x=1',
        PGRST_SERVER_CORS_ALLOWED_ORIGINS: 'https://a.example, https://b.example',
        PGRST_SERVER_UNIX_SOCKET: '/tmp/a.sock',
        PGRST_SERVER_UNIX_SOCKET_MODE: '777',
        PGRST_ADMIN_SERVER_PORT: '3001',
        PGRST_SERVER_HOST: '!4',
      },
    });
    expect(config.rest).toMatchObject({
      schemas: ['api', '"odd name"', 'v2'],
      extraSearchPath: [],
      maxRows: 1000,
      preRequest: { schema: 'private', name: 'check_user' },
      rootSpec: { schema: '', name: 'root' },
      transactionEnd: 'rollback-allow-override',
      appSettings: [['app.settings.Some_Name', 'x=1']],
    });
    expect(config.corsAllowedOrigins).toEqual(['https://a.example', 'https://b.example']);
    expect(config.server).toMatchObject({ socket: '/tmp/a.sock', socketMode: 0o777 });
    expect(config.admin).toMatchObject({ host: '!4', port: 3001 });
  });

  it.each([
    ['true', true],
    ['TRUE', true],
    ['"True"', true],
    ['1', true],
    ['2', true],
    ['false', false],
    ['0', false],
    ['', false],
  ])('takes %j as the truth value %s, as PostgREST does', (value, expected) => {
    expect(parse({ env: { PGRST_DB_PLAN_ENABLED: value } }).rest.planEnabled).toBe(expected);
  });

  it('lets the database override the environment, and the environment the file', () => {
    const given = {
      file: { 'db-schemas': 'of_file', 'db-anon-role': 'of_file', 'openapi-mode': 'disabled' },
      env: { PGRST_DB_SCHEMAS: 'of_env', PGRST_DB_ANON_ROLE: 'of_env' },
      database: { db_schemas: 'of_database' },
    };
    const config = parse(given);
    expect(config.rest.schemas).toEqual(['of_database']);
    expect(config.identification.anonymousRole).toBe('of_env');
    expect(config.rest.openapi.mode).toBe('disabled');
  });

  it('does not take options of the process from the database', () => {
    const config = parse({ database: { server_port: '1', db_uri: 'postgres://evil', log_level: 'debug' } });
    expect(config.server.port).toBe(3000);
    expect(config.database.uri.reveal()).toBe('postgresql://');
    expect(config.logLevel).toBe('error');
  });

  it('knows the older names, and prefers the newer', () => {
    const file = { 'db-schema': 'old', 'max-rows': 7, 'role-claim-key': '$.old', 'pre-request': 'old' };
    const config = parse({ file, env: { PGRST_DB_PRE_REQUEST: 'new' } });
    expect(config.rest).toMatchObject({
      schemas: ['old'],
      maxRows: 7,
      preRequest: { schema: '', name: 'new' },
    });
    expect(config.identification.roleClaim.text).toBe('$.old');
    expect(config.warnings).toEqual([]);
  });

  it('names every problem at once, with the variable, the value and what is allowed', () => {
    expect(
      problemsOf({
        env: {
          PGRST_DB_SCHEMAS: 'api, pg_catalog',
          PGRST_LOG_LEVEL: 'never',
          PGRST_DB_TX_END: 'random',
          PGRST_OPENAPI_MODE: 'follow-',
          PGRST_OPENAPI_SERVER_PROXY_URI: 'htp:/@@localhorst.invalid',
          PGRST_CLIENT_ERROR_VERBOSITY: 'invalid',
          PGRST_JWT_AUD: 'http://%%localhorst.invalid',
          PGRST_JWT_ROLE_CLAIM_KEY: '$.my_role;;domain',
          PGRST_SERVER_UNIX_SOCKET_MODE: '599',
          PGRST_ADMIN_SERVER_UNIX_SOCKET_MODE: '800',
          PGRST_ADMIN_SERVER_PORT: '3000',
          PGRST_DB_POOL: '0',
          MAX_BODY_BYTES: 'lots',
        },
        database: { db_max_rows: '-1' },
      }),
    ).toEqual([
      'PGRST_SERVER_UNIX_SOCKET_MODE is "599"; an octal file mode from 600 to 777 is needed',
      'PGRST_DB_SCHEMAS names pg_catalog, which cannot be exposed',
      'pgrst.db_max_rows is -1; a whole number from 0 to 9007199254740991 is needed',
      'PGRST_DB_TX_END is "random"; allowed are commit, commit-allow-override, rollback, rollback-allow-override',
      'PGRST_OPENAPI_MODE is "follow-"; allowed are follow-privileges, ignore-privileges, disabled',
      'PGRST_OPENAPI_SERVER_PROXY_URI is "htp:/@@localhorst.invalid"; an address such as https://example.com:8443/basePath is needed',
      'PGRST_CLIENT_ERROR_VERBOSITY is "invalid"; allowed are verbose, minimal',
      'MAX_BODY_BYTES is "lots"; a whole number from 1024 to 1073741824 is needed',
      'PGRST_JWT_AUD is "http://%%localhorst.invalid"; text without a colon or a URI is needed',
      'PGRST_JWT_ROLE_CLAIM_KEY is "$.my_role;;domain", not a JSON Path: the path should end here (character 10)',
      'PGRST_DB_POOL is 0; a whole number from 1 to 10000 is needed',
      'PGRST_ADMIN_SERVER_PORT is 3000; it cannot be the same as server-port',
      'PGRST_ADMIN_SERVER_UNIX_SOCKET_MODE is "800"; an octal file mode from 600 to 777 is needed',
      'PGRST_LOG_LEVEL is "never"; allowed are error, crit, warn, info, debug',
    ]);
  });

  it('warns of unknown names, of values that PostgREST drops silently, and of old syntax', () => {
    const { warnings, rest } = parse({
      env: {
        PGRST_DB_USE_LEGACY_GUCS: 'false',
        PGRST_DB_MAX_ROWS: 'many',
        PGRST_JWT_ROLE_CLAIM_KEY: '.role',
      },
      file: { 'not-existing': 'x', 'db-plan-enabled': 'perhaps' },
    });
    expect(warnings).toEqual([
      'PGRST_DB_USE_LEGACY_GUCS is not an option; it does nothing',
      'not-existing is not an option; it does nothing',
      'PGRST_DB_MAX_ROWS is "many", not a whole number: nothing is used',
      'db-plan-enabled is "perhaps", neither true nor false: false is used',
      'PGRST_JWT_ROLE_CLAIM_KEY is ".role", in the syntax before PostgREST 16, which is deprecated: write it as a JSON Path, such as $.role',
    ]);
    expect(rest.maxRows).toBeNull();
  });

  it('reads the secret and the address of the database from files', () => {
    const config = parse({
      env: { PGRST_JWT_SECRET: '@/run/secret', PGRST_DB_URI: '@/run/uri' },
      files: { '/run/secret': `${secret}\n`, '/run/uri': '\npostgres://u@h/d\n' },
    });
    expect(config.jwtSecret?.reveal()).toBe(secret);
    expect(config.database.uri.reveal()).toBe('postgres://u@h/d');
    expect(problemsOf({ env: { PGRST_JWT_SECRET: '@gone', PGRST_DB_URI: '@gone' } })).toEqual([
      'PGRST_JWT_SECRET names the file gone, which cannot be read: ENOENT: no such file',
      'PGRST_DB_URI names the file gone, which cannot be read: ENOENT: no such file',
    ]);
  });

  it('takes a secret of any bytes from a file, without a line feed at its end', () => {
    const bytes = Buffer.concat([Buffer.alloc(32, 0xff), Buffer.from('\n')]);
    for (const content of [bytes, Buffer.concat([bytes, Buffer.from('\n')])]) {
      const config = parse({ env: { PGRST_JWT_SECRET: '@binary' }, files: { binary: content } });
      expect(config.identification.keys?.[0]?.key.export()).toEqual(content.subarray(0, -1));
    }
  });

  it('makes keys of plain, base64 and JSON Web Key secrets', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1' };
    const keys = (env: Record<string, string>) =>
      parse({ env }).identification.keys?.map(({ kid, algorithms }) => [kid, algorithms]);
    expect(keys({ PGRST_JWT_SECRET: secret })).toEqual([[null, ['HS256']]]);
    expect(keys({ PGRST_JWT_SECRET: JSON.stringify(jwk) })).toEqual([['k1', ['RS256', 'RS384', 'RS512']]]);
    expect(keys({ PGRST_JWT_SECRET: JSON.stringify({ keys: [jwk, jwk] }) })).toHaveLength(2);
    const base64 = Buffer.from('security through obscurity, base64').toString('base64');
    const config = parse({ env: { PGRST_JWT_SECRET: base64, PGRST_JWT_SECRET_IS_BASE64: 'true' } });
    expect(config.identification.keys?.[0]?.key.export().toString()).toBe(
      'security through obscurity, base64',
    );
  });

  it('never shows a secret, neither in a problem nor when it is printed', () => {
    const short = 'short_secret';
    const problems = problemsOf({ env: { PGRST_JWT_SECRET: short } });
    expect(problems).toEqual(['PGRST_JWT_SECRET cannot be used: it has 12 bytes; expected 32 or more']);
    expect(problemsOf({ env: { PGRST_JWT_SECRET: 'no base-64!', PGRST_JWT_SECRET_IS_BASE64: '1' } })).toEqual(
      ['PGRST_JWT_SECRET cannot be used: it is not base64, or its padding is missing'],
    );
    const config = parse({
      env: { PGRST_JWT_SECRET: secret, PGRST_DB_URI: 'postgres://u:hunter2@h/d' },
    });
    for (const shown of [inspect(config, { depth: 9 }), JSON.stringify(config)]) {
      expect(shown).not.toContain(secret);
      expect(shown).not.toContain('hunter2');
    }
  });
});

describe('the dumped configuration', () => {
  const everything: Record<string, string> = {
    ...Object.fromEntries(
      postgrestOptions.map(({ name, fallback }: PostgrestOption) => [environmentName(name), fallback]),
    ),
    PGRST_DB_URI: 'postgres://u:p@ss$1"\\@h/d',
    PGRST_JWT_SECRET: 'c2VjdXJpdHkgdGhyb3VnaCBvYnNjdXJpdHksIGJhc2U2NA==',
    PGRST_JWT_SECRET_IS_BASE64: 'true',
    PGRST_JWT_ROLE_CLAIM_KEY: '$["https://x.example/roles"][?(@ == \'a\')]',
    PGRST_DB_ANON_ROLE: 'anon',
    PGRST_DB_PRE_REQUEST: 'private.check',
    PGRST_DB_EXTRA_SEARCH_PATH: '',
    PGRST_APP_SETTINGS_NOTE: 'two\nlines',
    PGRST_ADMIN_SERVER_PORT: '3001',
  };

  it('has a line for every option, in order', () => {
    const names = dumpConfig(parse({}))
      .split('\n')
      .map((line) => line.split(' = ')[0]);
    expect(names).toEqual(postgrestOptions.map(({ name }) => name).toSorted());
  });

  it('is read back as the same configuration', () => {
    const dumped = dumpConfig(parse({ env: everything }));
    const file = readConfigFile('dump.conf', { readText: () => dumped, env: {} });
    expect(
      dumpConfig(parsePostgrestConfig({ env: {}, file, database: new Map(), readFile: Buffer.from })),
    ).toBe(dumped);
    expect(file.get('db-uri')).toBe(everything['PGRST_DB_URI']);
    expect(file.get('jwt-role-claim-key')).toBe(everything['PGRST_JWT_ROLE_CLAIM_KEY']);
    expect(file.get('app.settings.NOTE')).toBe('two\nlines');
  });

  it('equals the example when nothing is set', () => {
    const text = exampleConfig().replaceAll(/^# (?=[a-z])/gm, '');
    const file = readConfigFile('example.conf', { readText: () => text, env: {} });
    expect([...file.keys()]).toEqual(postgrestOptions.map(({ name }) => name));
    expect(
      dumpConfig(parsePostgrestConfig({ env: {}, file, database: new Map(), readFile: Buffer.from })),
    ).toBe(dumpConfig(parse({})));
  });
});
