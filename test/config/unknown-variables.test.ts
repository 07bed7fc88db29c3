import { expect, test } from 'vitest';
import { configOptions, fileVariable, formerNames, secretNames } from '../../src/config/options.ts';
import { describeUnknown, nearestOption, unknownVariables } from '../../src/config/unknown-variables.ts';

const inDotEnv = (variables: Record<string, string>, exported: Record<string, string> = {}) =>
  unknownVariables({
    variables: { ...variables, ...exported },
    exported,
    dotEnv: { kind: 'read', path: '/srv/.env', text: '', variables },
  });

test.each([
  ['DB_POOLSIZE', 'DB_POOL_SIZE'],
  ['DB_POOL_SZIE', 'DB_POOL_SIZE'],
  ['db_pool_size', 'DB_POOL_SIZE'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['JTW_SECRET', 'JWT_SECRET'],
  ['JWT_SECRET_FILES', 'JWT_SECRET_FILE'],
  ['SHUTDWN_MS', 'SHUTDOWN_MS'],
  ['RATE_PER_TENNANT', 'RATE_PER_TENANT'],
  ['MAX_BODY_BYTE', 'MAX_BODY_BYTES'],
  ['AWS_SECRET_ACCES_KEY', 'AWS_SECRET_ACCESS_KEY'],
  ['TLS_CERTS', 'TLS_CERT'],
])('%s is a slip of %s', (name, nearest) => {
  expect(inDotEnv({ [name]: 'x' })).toEqual([{ name, origin: '.env', nearest, isSlip: true }]);
});

test.each([
  ['DB_POOL', 'DB_PORT'],
  ['DB_MAX_CONNECTIONS', 'DB_NAME'],
  ['REST_MAX_RESULTS', 'REST_MAX_ROWS'],
  ['BACKUP_DIRECTORY', 'BACKUP_STORE'],
  ['JWT_PUBLIC_KEY', 'JWT_SECRET'],
])('%s begins like an option, and the nearest is named', (name) => {
  const [found, ...others] = inDotEnv({}, { [name]: 'x' });
  expect(others).toEqual([]);
  expect(found).toMatchObject({ name, origin: 'environment' });
  expect(found?.nearest.split('_')[0]).toBe(name.split('_')[0]);
});

test('variables of other software are passed over', () => {
  const others = [
    'AWS_PROFILE AWS_REGION AWS_ROLE_ARN HTTP_PROXY HTTPS_PROXY NO_PROXY LISTEN_FDS LISTEN_PID LISTEN_FDNAMES',
    'PATH HOME HOSTNAME HOSTTYPE USER SHELL TERM LANG TZ PWD OLDPWD SHLVL TMPDIR EDITOR LOGNAME MAIL',
    'NODE_ENV NODE_OPTIONS NODE_EXTRA_CA_CERTS npm_config_cache npm_lifecycle_event INIT_CWD GRAPHILE_ENV',
    'PGHOST PGPORT PGPASSWORD PGRST_DB_URI POSTGRES_PASSWORD POSTGRES_INITDB_ARGS COMPOSE_PROJECT_NAME',
    'KUBERNETES_SERVICE_HOST KUBERNETES_PORT NOTIFY_SOCKET INVOCATION_ID CREDENTIALS_DIRECTORY',
    'PUBLIC_API_KEY MAX_HEAP USE_COLOR DATA_HOME TLS_MIN_VERSION ALLOW_ALL TRUSTED_USERS CI DEBUG SSH_AUTH_SOCK',
  ].flatMap((line) => line.split(' '));
  expect(inDotEnv(Object.fromEntries(others.map((name) => [name, 'x'])))).toEqual([]);
});

test('what Kubernetes sets for a service of such a name is passed over', () => {
  const address = 'tcp://10.0.0.1:5432';
  const set = {
    WORKER_SERVICE_HOST: '10.0.0.1',
    WORKER_SERVICE_PORT: '5432',
    WORKER_SERVICE_PORT_METRICS: '9464',
    WORKER_PORT: address,
    WORKER_PORT_5432_TCP: address,
    WORKER_PORT_5432_TCP_ADDR: '10.0.0.1',
  };
  expect(inDotEnv({}, set)).toEqual([]);
  expect(inDotEnv({ WORKER_PORT: '5432' })).toHaveLength(1);
});

test('every option, the file of every secret, and every former name is known', () => {
  const names = [
    ...configOptions.map(({ name }) => name),
    ...secretNames.map(fileVariable),
    ...Object.keys(formerNames),
  ];
  expect(inDotEnv(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
});

test('an empty variable is not set', () => {
  expect(inDotEnv({ DB_POOLSIZE: '' })).toEqual([]);
});

test('the message names the place and never the value', () => {
  const [slip] = inDotEnv({ DB_PASSWROD: 'hunter2' });
  expect(describeUnknown(slip!, '/srv/.env')).toBe(
    'DB_PASSWROD in /srv/.env is not an option: did you mean DB_PASSWORD?',
  );
  const [other] = inDotEnv({}, { BACKUP_TARGET: 'hunter2' });
  expect(describeUnknown(other!, '/srv/.env')).toMatch(
    /^BACKUP_TARGET in the environment is not an option: the nearest is BACKUP_\w+$/,
  );
});

test('a word that a person typed has a nearest option', () => {
  expect(['PROT', 'pool_size', 'JWT_SECRTE'].map(nearestOption)).toEqual([
    'PORT',
    'DB_POOL_SIZE',
    'JWT_SECRET',
  ]);
});
