import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { connectionEnvironment } from '../../src/backup/server/connection-environment.ts';
import { connectForReplication } from '../../src/backup/server/server-facts.ts';
import { boundedClient, connectionLimits } from '../../src/db/pool.ts';
import type { BoundedClient } from '../../src/db/bounded-client.ts';
import { migrate } from '../../src/db/migrations.ts';
import { PostgresDatabase } from '../../src/db/postgres.ts';
import { noTlsChoice } from '../../src/db/tls-parameters.ts';
import type { TlsChoice } from '../../src/db/tls-parameters.ts';
import { tlsOf } from '../../src/db/tls.ts';
import { setupServer } from '../../src/setup/setup-server.ts';
import { runCommand } from '../../src/programs/command.ts';
import { makeCertificates } from '../support/authority.ts';
import type { Authority, Certificates, Pair } from '../support/authority.ts';
import { lacks } from '../support/lacks.ts';
import { lightning } from '../support/lightning.ts';
import { testLogins, testRolePrefix } from '../support/logins.ts';
import { startOwnServer } from '../support/postgres/own-server.ts';
import type { OwnServer } from '../support/postgres/own-server.ts';
import { readyServer } from '../support/server.ts';

const poolOptions = {
  applicationName: 'tls',
  overflow: 1,
  waitMs: 5_000,
  connectMs: 5_000,
  recycleSeconds: 60,
  statementTimeoutMs: 5_000,
};

const server = inject('server');
const cannot = server.kind === 'unavailable' || !server.binDirectory || lacks('openssl');

describe.skipIf(cannot)('TLS to a server that takes nothing else', { timeout: 120_000 }, () => {
  let certificates: Certificates;
  let authority: Authority;
  let stranger: Authority;
  let good: Pair;
  let own: OwnServer;
  let serving: Pair;

  beforeAll(async () => {
    certificates = await makeCertificates();
    authority = await certificates.authority('authority');
    stranger = await certificates.authority('stranger');
    good = await authority.issue('good', ['localhost', '127.0.0.1']);
    const path = (name: string) => join(certificates.directory, name);
    serving = { certificate: path('server.pem'), key: path('server.key') };
    await copyFile(good.certificate, serving.certificate);
    await copyFile(good.key, serving.key);
    await certificates.forServer(serving);
    own = await startOwnServer(readyServer().binDirectory!, {
      commandLine: [
        '--ssl=on',
        `--ssl_cert_file=${serving.certificate}`,
        `--ssl_key_file=${serving.key}`,
        `--ssl_ca_file=${authority.certificate}`,
        '--wal_level=replica',
        '--summarize_wal=on',
      ],
    });
    await rules('hostssl all all all scram-sha-256', 'hostssl replication all all scram-sha-256');
  }, 120_000);

  afterAll(async () => {
    await own?.stop();
    await certificates?.remove();
  });

  /** Replaces pg_hba.conf; a superuser still gets in through the socket. */
  async function rules(...lines: readonly string[]): Promise<void> {
    await writeFile(join(own.dataDirectory, 'pg_hba.conf'), ['local all all trust', ...lines, ''].join('\n'));
    await reload();
  }

  async function reload(): Promise<void> {
    const at = new URL(own.adminUrl);
    at.searchParams.set('host', join(own.dataDirectory, '..'));
    const client = new Client({ connectionString: at.href });
    await client.connect();
    const loadedAt = async () =>
      (await client.query<{ at: string }>('select pg_conf_load_time()::text as at')).rows[0]?.at;
    const before = await loadedAt();
    await client.query('select pg_reload_conf()');
    while ((await loadedAt()) === before) await sleep(5);
    await client.end();
  }

  async function serve({ certificate, key }: Pair): Promise<void> {
    await writeFile(serving.key, await readFile(key));
    await writeFile(serving.certificate, await readFile(certificate));
    await reload();
  }

  const choice = (given: Partial<TlsChoice>): TlsChoice => ({ ...noTlsChoice, ...given });
  const verified = () => choice({ mode: 'verify-full', rootCertificate: authority.certificate });

  function clientOf(tls: TlsChoice, url = own.urls.api): BoundedClient {
    const limits = connectionLimits('server', {
      connectionString: url,
      connectMs: 5_000,
      statementTimeoutMs: 10_000,
    });
    const client = boundedClient({ connectionString: url, ssl: tlsOf(tls, url) }, limits);
    client.on('error', () => {});
    return client;
  }

  /** Whether the connection is encrypted, as the server sees it; the refusal if there is none. */
  async function encryption(tls: TlsChoice, url?: string): Promise<boolean | string> {
    const client = clientOf(tls, url);
    try {
      await client.connect();
      const { rows } = await client.query<{ ssl: boolean }>(
        'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
      );
      expect(client.isEncrypted).toBe(rows[0]?.ssl);
      return rows[0]?.ssl ?? 'unknown';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await client.end().catch(() => {});
    }
  }

  const withMode = (mode: string): string => `${own.urls.api}?sslmode=${mode}`;
  const disabled = () => choice({ mode: 'disable' });

  test('plain connections are refused, and every other mode is encrypted', async () => {
    expect(await encryption(disabled())).toMatch(/no encryption/);
    expect(await encryption(choice({ mode: 'prefer' }))).toBe(true);
    expect(await encryption(choice({ mode: 'require' }))).toBe(true);
    expect(await encryption(verified())).toBe(true);
    // What the URL says is read as libpq reads it: require does not verify.
    expect(await encryption(disabled(), withMode('require'))).toBe(true);
    expect(await encryption(disabled(), withMode('verify-full'))).toMatch(
      /self-signed|unable to verify|issuer/,
    );
  });

  test('a certificate of another host, of another authority, of nobody, or of yesterday is refused where it is verified', async () => {
    const files = { rootCertificate: authority.certificate };
    const cases: readonly (readonly [Pair, RegExp, boolean])[] = [
      [await authority.issue('elsewhere', ['elsewhere.example']), /altnames|does not match/, true],
      [await authority.issue('expired', ['127.0.0.1'], -1), /expired/, false],
      [await stranger.issue('foreign', ['127.0.0.1']), /unable to (verify|get)|self-signed/, false],
      [await certificates.authority('nobody'), /self-signed/, false],
    ];
    for (const [pair, refusal, passesAuthority] of cases) {
      await serve(pair);
      expect(await encryption(choice({ mode: 'verify-full', ...files }))).toMatch(refusal);
      const byAuthority = await encryption(choice({ mode: 'verify-ca', ...files }));
      expect(String(byAuthority)).toMatch(passesAuthority ? /^true$/ : refusal);
      expect(await encryption(choice({ mode: 'require', ...files }))).toEqual(byAuthority);
      expect(await encryption(choice({ mode: 'require' }))).toBe(true);
    }
    await serve(good);
  });

  test('a server that asks for a certificate of ours gets it', async () => {
    await rules('hostssl all all all scram-sha-256 clientcert=verify-ca');
    const mine = await authority.issue('mine', []);
    const theirs = await stranger.issue('theirs', []);
    const withPair = (pair: Pair) => ({ ...verified(), ...pair });
    expect(await encryption(verified())).toMatch(/valid client certificate|certificate required/);
    expect(await encryption(withPair(theirs))).toMatch(/certificate|unknown ca/i);
    expect(await encryption(withPair(mine))).toBe(true);
    await rules('hostssl all all all scram-sha-256', 'hostssl replication all all scram-sha-256');
  });

  test('prefer goes on without TLS where the server has none, and require does not', async () => {
    const plain = readyServer().adminUrl;
    expect(await encryption(choice({ mode: 'prefer' }), plain)).toBe(false);
    expect(await encryption(choice({ mode: 'require' }), plain)).toMatch(/does not support SSL/);
  });

  test('an authority that is replaced holds for the next connection, and a broken file leaves the one before', async () => {
    const file = join(certificates.directory, 'followed.pem');
    await copyFile(stranger.certificate, file);
    const options = { ...verified(), rootCertificate: file };
    const ssl = tlsOf(options, own.urls.api);
    const outcome = async (): Promise<string> => {
      const limits = connectionLimits('server', {
        connectionString: own.urls.api,
        connectMs: 5_000,
        statementTimeoutMs: 1_000,
      });
      const client = boundedClient({ connectionString: own.urls.api, ssl }, limits);
      client.on('error', () => {});
      return client.connect().then(
        () => client.end().then(() => 'connected'),
        (error: Error) => error.message,
      );
    };
    expect(await outcome()).toMatch(/verify|issuer|self-signed/);
    await copyFile(authority.certificate, file);
    expect(await outcome()).toBe('connected');
    await writeFile(file, '-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n');
    expect(await outcome()).toBe('connected');
  });

  test('an authority is rotated in three steps under load, each on new connections, and no statement fails', async () => {
    const file = join(certificates.directory, 'rotated.pem');
    const put = async (...authorities: readonly Authority[]) =>
      writeFile(
        file,
        (await Promise.all(authorities.map(({ certificate }) => readFile(certificate)))).join('\n'),
      );
    await put(authority);
    const tls = { ...verified(), rootCertificate: file };
    const database = new PostgresDatabase(
      'server',
      { ...poolOptions, connectionString: own.urls.api, ssl: tlsOf(tls, own.urls.api), size: 4 },
      () => {},
    );
    const over = new AbortController();
    const failed: string[] = [];
    let answered = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        await database.query({ text: 'select 1' }).then(
          () => (answered += 1),
          (error: Error) => failed.push(error.message),
        );
        await sleep(5);
      }
    });
    /** Until statements have run on connections that were made after the step. */
    const settle = async () => {
      const before = answered;
      for (let turn = 0; turn < 5; turn += 1) {
        database.renewConnections();
        await sleep(50);
      }
      await vi.waitFor(() => expect(answered).toBeGreaterThan(before + 20), { timeout: 30_000 });
    };
    try {
      await settle();
      await put(authority, stranger);
      await settle();
      await serve(await stranger.issue('next', ['localhost', '127.0.0.1']));
      await settle();
      await put(stranger);
      await settle();
      over.abort();
      await Promise.all(load);
      expect(failed).toEqual([]);
      expect(answered).toBeGreaterThan(80);
      // The old authority no longer opens anything: the server shows the new certificate.
      expect(await encryption(verified())).toMatch(/unable to (verify|get)|self-signed/);
    } finally {
      over.abort();
      await database.close();
      await serve(good);
    }
  });

  test('a statement is cancelled over TLS, and its key never travels in the clear', async () => {
    const { hostname, port } = new URL(own.urls.api);
    const firsts: number[] = [];
    const gate = createServer((near) => {
      const far = connect({ host: hostname, port: Number(port) });
      near.once('data', (bytes) => firsts.push(bytes.readInt32BE(4)));
      near.on('error', () => far.destroy()).pipe(far);
      far.on('error', () => near.destroy()).pipe(near);
    });
    await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
    const url = Object.assign(new URL(own.urls.api), {
      port: String((gate.address() as AddressInfo).port),
    }).href;
    const client = clientOf(verified(), url);
    await client.connect();
    const sleeping = client.query('select pg_sleep(60)').catch((error: { code?: string }) => error.code);
    await sleep(100);
    expect(await client.cancel()).toBe(true);
    expect(await sleeping).toBe('57014');
    await client.end();
    gate.close();
    // SSLRequest, both times.
    expect(firsts).toEqual([80_877_103, 80_877_103]);
  });

  test('setup, migrations, pool, listener and the programs of backups connect over TLS', async () => {
    const tls = verified();
    await setupServer({
      adminUrl: own.adminUrl,
      ssl: tlsOf(tls, own.adminUrl),
      databaseName: 'second',
      rolePrefix: testRolePrefix,
      logins: testLogins,
      log: () => {},
    });
    const at = (url: string) => Object.assign(new URL(url), { pathname: '/second' }).href;
    await migrate({
      connectionString: at(own.urls.migrate),
      ssl: tlsOf(tls, own.urls.migrate),
      rolePrefix: testRolePrefix,
      log: () => {},
    });
    const database = new PostgresDatabase(
      'server',
      {
        ...poolOptions,
        connectionString: own.urls.api,
        ssl: tlsOf(tls, own.urls.api),
        size: 1,
      },
      () => {},
    );
    const heard: string[] = [];
    await database.listen('tls', (payload) => void heard.push(payload));
    await database.query({ text: "notify tls, 'heard'", values: [] });
    while (heard.length === 0) await sleep(10);
    await database.close();
    const ssl = tlsOf(tls, own.urls.backup);
    await (await connectForReplication({ url: own.urls.backup, ssl })).end();
    const printed = await runCommand(
      join(readyServer().binDirectory!, 'psql'),
      ['-XAtc', 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'],
      {
        env: { PATH: process.env['PATH'], ...connectionEnvironment(own.urls.backup, ssl, 'tls') },
      },
    );
    expect(printed.trim()).toBe('t');
  });

  test('commands take the options, and say what is wrong with them', async () => {
    const { api, migrate: migrateUrl, worker, backup } = own.urls;
    const env = {
      DATABASE_URL: api,
      MIGRATE_DATABASE_URL: migrateUrl,
      WORKER_DATABASE_URL: worker,
      BACKUP_DATABASE_URL: backup,
      BACKUP_STORE: join(certificates.directory, 'store'),
      BACKUP_BIN_DIR: readyServer().binDirectory!,
      BACKUP_SPOOL_DIR: join(certificates.directory, 'spool'),
      DB_SSL: 'verify-full',
      DB_SSL_ROOT_CERT: authority.certificate,
      DB_START_WAIT_MS: '0',
      JWT_SECRET: 'b1a3c0ffee5eedfaceb00c1234567890',
    };
    const status = await lightning(['status'], env);
    for (const variable of [
      'DATABASE_URL',
      'MIGRATE_DATABASE_URL',
      'WORKER_DATABASE_URL',
      'BACKUP_DATABASE_URL',
    ]) {
      expect(status.stdout).toMatch(new RegExp(`${variable} .*answered in`));
    }
    const backedUp = await lightning(['backup'], env);
    expect([backedUp.stderr, backedUp.status]).toEqual([expect.any(String), 0]);
    const refused = await lightning(['migrate'], { ...env, DB_SSL_ROOT_CERT: stranger.certificate });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/MIGRATE_DATABASE_URL/);
    const unreadable = await lightning(['migrate'], { ...env, DB_SSL_ROOT_CERT: '/nowhere.pem' });
    expect(unreadable.stderr).toMatch(/files of TLS to the database cannot be used: ENOENT.*nowhere/);
  });
});
