import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contextWithFlags, namingFlags } from '../../src/commands/option-flags.ts';
import { UsageError } from '../../src/commands/usage-error.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { commandContext } from '../support/command-context.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { freePort } from '../support/free-port.ts';
import { lightning, startLightning } from '../support/lightning.ts';

const configWith = (variables: Record<string, string>, flags: Parameters<typeof contextWithFlags>[1]) => {
  const { environment } = contextWithFlags(commandContext(variables).context, flags);
  return namingFlags(flags, () => parseConfig(environment.variables));
};

describe('--port, --host and --data', () => {
  test('win over the variables', () => {
    const variables = { PORT: '1', HOST: '127.0.0.1', DATA_DIR: '/elsewhere' };
    const { http, dataDirectory } = configWith(variables, { port: '8080', host: '::1', data: '/here' });
    expect([http.port, http.host, dataDirectory]).toEqual([8080, '::1', '/here']);
  });

  test('win over variables that are wrong', () => {
    expect(configWith({ PORT: 'x' }, { port: '8080' }).http.port).toBe(8080);
  });

  test('leave the variables alone when they are not given', () => {
    expect(configWith({ PORT: '1' }, {}).http.port).toBe(1);
  });

  test.each(['x', '-1', '65536', '1.5', ' 80'])(
    '--port %j is refused as PORT would be, by its own name',
    (port) => {
      expect(() => configWith({}, { port })).toThrow(
        `--port is ${JSON.stringify(port)}; expected a whole number from 0 to 65535`,
      );
    },
  );

  test('an empty value is refused', () => {
    for (const flag of ['port', 'host', 'data']) {
      expect(() => configWith({}, { [flag]: '' })).toThrow(new UsageError(`--${flag} is empty`));
    }
  });

  test('--data is refused where the variables choose another database', () => {
    for (const variables of [
      { DATABASE_URL: 'postgres://u:p@localhost/d' },
      { DB_HOST: 'localhost' },
      { WORKER_DATABASE_URL: 'postgres://u:p@localhost/d' },
      { USE_DATABASE: 'false' },
    ]) {
      expect(() => configWith(variables, { data: '/here' })).toThrow(UsageError);
      expect(() => configWith({ ...variables, JWT_SECRET: 'x'.repeat(32) }, { port: '0' })).not.toThrow();
    }
  });
});

describe('lightning start and serve', { timeout: 60_000 }, () => {
  let directory: string;
  beforeAll(async () => {
    directory = await migratedDataDirectory();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test.each(['start', 'serve'])(
    '%s listens where the flags say, on the database that they name',
    async (command) => {
      const port = await freePort();
      const started = await startLightning(
        { PORT: '1', DATA_DIR: '/nowhere', BACKUP_STORE: `${directory}/backups` },
        [command, '--port', String(port), '--host', '127.0.0.1', '--data', directory],
      );
      try {
        expect(started.url).toBe(`http://127.0.0.1:${port}`);
        expect((await fetch(`${started.url}/readyz`)).status).toBe(200);
      } finally {
        const { status, stderr } = await started.stop();
        expect(status, stderr).toBe(0);
        expect(stderr).toContain(`embedded in ${directory}`);
      }
    },
  );

  test('a wrong flag ends with status 2, and makes no database', async () => {
    const { status, stderr } = await lightning(['start', '--port', 'http', '--data', `${directory}/none`]);
    expect(status).toBe(2);
    expect(stderr).toContain('--port is "http"; expected a whole number from 0 to 65535');
  });
});
