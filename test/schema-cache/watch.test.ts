import { Client } from 'pg';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LogEntry } from '../../src/log.ts';
import { nameKey } from '../../src/schema-cache/identifier.ts';
import { SchemaCacheWatcher } from '../../src/schema-cache/watch.ts';
import type { WatchOptions } from '../../src/schema-cache/watch.ts';
import { prepareDatabase } from '../../src/setup/prepare-database.ts';
import { testRolePrefix } from '../support/logins.ts';
import { describeOnBoth } from './both-databases.ts';
import type { Target } from './both-databases.ts';

const never = 3_600_000;

describeOnBoth('a watched snapshot', (target, kind) => {
  const log: LogEntry[] = [];
  const events = () => log.map(({ event }) => event);
  const loads = () => events().filter((event) => event === 'schema-cache-loaded').length;
  let watcher: SchemaCacheWatcher | undefined;
  let scope = { schemas: ['api'], extraSearchPath: [], hoistedSettings: [] };

  /** A watcher that seldom looks at the catalog, so that only the event under test makes it reload. */
  function watch(options: Partial<WatchOptions> = {}): SchemaCacheWatcher {
    watcher = new SchemaCacheWatcher(target().database, {
      scope: () => scope,
      channel: 'pgrst',
      log: (entry) => log.push(entry),
      ...options,
      pace: { betweenLooks: never, firstRetry: 50, ...options.pace },
    });
    return watcher;
  }
  const has = (name: string) => watcher!.current!.tables.has(nameKey('api', name));
  /** Waits until it listens: that is set up in parallel with the first load. */
  const listening = async () => {
    await expect
      .poll(async () => {
        const before = loads();
        await target().run('notify pgrst');
        // On a busy machine a load takes half a second.
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return loads() > before;
      })
      .toBe(true);
  };

  beforeAll(() => target().run('create schema api; create table api.first (id int)'));
  afterEach(async () => {
    await watcher?.close();
    watcher = undefined;
    log.length = 0;
    scope = { schemas: ['api'], extraSearchPath: [], hoistedSettings: [] };
  });

  test('exists after the first load, and not before', async () => {
    expect(watch().current).toBeNull();
    expect(await watcher!.firstLoad).toBe(true);
    expect(has('first')).toBe(true);
  });

  test('is loaded again when the owner asks, and not on its own', async () => {
    await watch({ channel: null }).firstLoad;
    await target().run('create table api.by_owner (id int)');
    expect(has('by_owner')).toBe(false);
    expect(await watcher!.reload()).toBe(true);
    expect(has('by_owner')).toBe(true);
    expect(loads()).toBe(2);
  });

  test('is loaded again on `reload schema` and on an empty notification, not on others', async () => {
    const onReloadConfig = vi.fn<() => void>();
    await watch({ onReloadConfig }).firstLoad;
    await listening();
    onReloadConfig.mockClear();
    await target().run(`create table api.notified (id int); notify pgrst, 'reload schema'`);
    await expect.poll(() => has('notified')).toBe(true);
    expect(onReloadConfig).not.toHaveBeenCalled();

    const before = loads();
    await target().run(`drop table api.notified; notify pgrst, 'reload config'`);
    await expect.poll(() => onReloadConfig.mock.calls.length).toBe(1);
    await target().run(`notify pgrst, 'reload everything'; notify other, 'reload schema'`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(loads()).toBe(before);
    expect(has('notified')).toBe(true);

    await target().run('notify pgrst');
    await expect.poll(() => has('notified')).toBe(false);
    expect(onReloadConfig).toHaveBeenCalledTimes(2);
  });

  describe('that a notification only asks for a look', () => {
    const watched = async () => {
      await watch({ whenNotified: 'look', pace: { betweenNotifiedLooks: 200 } }).firstLoad;
      // It listens once it finds something.
      await target().run('create table if not exists api.heard (id int); drop table api.heard');
      await expect
        .poll(async () => {
          await target().run(`create table if not exists api.heard (id int); notify pgrst, 'reload schema'`);
          return has('heard');
        })
        .toBe(true);
      await target().run(`drop table api.heard; notify pgrst`);
      await expect.poll(() => has('heard')).toBe(false);
    };

    test('is loaded for a change, and not by a loop of notifications where nothing changed', async () => {
      await watched();
      const before = loads();
      const until = Date.now() + 1_500;
      let sent = 0;
      for (; Date.now() < until; sent++) await target().run(`notify pgrst, 'reload schema'; notify pgrst`);
      expect(sent).toBeGreaterThan(50);
      expect(loads()).toBe(before);
      await target().run(
        `create table api.among_them (id int); notify pgrst; drop table if exists api.nothing`,
      );
      await expect.poll(() => has('among_them')).toBe(true);
      await target().run('drop table api.among_them');
    });

    test('is loaded for a change that no notification told of, also where an event trigger tells of them', async () => {
      await target().run(`create function api.announce() returns event_trigger language plpgsql as
        $$ begin notify pgrst, 'nothing'; end $$; create event trigger announce on ddl_command_end execute function api.announce()`);
      try {
        await watch({ whenNotified: 'look', pace: { betweenLooks: 50 } }).firstLoad;
        await target().run('create table api.untold (id int)');
        await expect.poll(() => has('untold')).toBe(true);
      } finally {
        await target().run(
          'drop event trigger announce; drop function api.announce(); drop table if exists api.untold',
        );
      }
    });
  });

  test("is loaded with the configuration's current scope", async () => {
    await watch().firstLoad;
    await target().run('create schema more; create table more.thing (id int)');
    scope = { ...scope, schemas: ['api', 'more'] };
    await watcher!.reload();
    expect(watcher!.current!.tables.has(nameKey('more', 'thing'))).toBe(true);
  });

  test('is loaded once at a time, and once more for all requests meanwhile', async () => {
    await watch().firstLoad;
    const results = await Promise.all(Array.from({ length: 100 }, () => watcher!.reload()));
    expect(results.every(Boolean)).toBe(true);
    expect(loads()).toBeLessThanOrEqual(3);
  });

  test('still serves while a load runs or fails, and the failure is retried and reported', async () => {
    await watch({ pace: { firstRetry: 300 } }).firstLoad;
    const kept = watcher!.current;
    scope = { ...scope, schemas: ['api', 'later'] };
    expect(await watcher!.reload()).toBe(false);
    expect(watcher!.current).toBe(kept);
    expect(log.at(-1)).toMatchObject({
      level: 'error',
      event: 'schema-cache-failed',
      message: expect.stringMatching(/the database has no schema later; .*served from what was read before/),
    });
    await target().run('create schema later');
    await expect.poll(() => watcher!.current !== kept).toBe(true);
  });

  // On the embedded database one client's lock stops all others.
  test.skipIf(kind === 'embedded')('still serves while a load waits for a lock', async () => {
    await target().run('create view api.locked as select 1 as id');
    await watch().firstLoad;
    const kept = watcher!.current;
    await target().run('begin; drop view api.locked');
    const loaded = watcher!.reload();
    try {
      await expect
        .poll(async () => {
          const { rows } = await target().database.query({
            text: `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
          });
          return rows.length;
        })
        .toBe(1);
      expect(watcher!.current).toBe(kept);
    } finally {
      await target().run('commit');
    }
    expect(await loaded).toBe(true);
    expect(watcher!.current).not.toBe(kept);
  });

  test('appears late when the database is not ready for the first load', async () => {
    scope = { ...scope, schemas: ['not yet'] };
    expect(await watch().firstLoad).toBe(false);
    expect(watcher!.current).toBeNull();
    await target().run('create schema "not yet"');
    await expect.poll(() => loads()).toBe(1);
    expect(watcher!.current!.tables.size).toBe(0);
  });

  describe('where nothing announces changes', () => {
    const looking = { betweenLooks: 50 };

    test.each([
      ['a new table', 'create table api.looked (id int)', () => has('looked')],
      ['a column', 'alter table api.looked add column a int', () => column('looked', 'a') !== undefined],
      [
        'a type',
        'alter table api.looked alter column a type text',
        () => column('looked', 'a')?.type === 'text',
      ],
      [
        'a comment',
        `comment on column api.looked.a is 'now'`,
        () => column('looked', 'a')?.comment === 'now',
      ],
      [
        'a default',
        'alter table api.looked alter column a set default 1',
        () => column('looked', 'a')?.defaultExpression !== null,
      ],
      [
        'a key',
        'alter table api.looked add primary key (id)',
        () => table('looked')?.primaryKey.length === 1,
      ],
      [
        'a view',
        'create view api.seen as select id from api.looked',
        () => table('seen')?.primaryKey.length === 1,
      ],
      [
        'another view of that name',
        'create or replace view api.seen as select id + 0 as id from api.looked',
        () => table('seen')?.primaryKey.length === 0,
      ],
      [
        'a function',
        'create function api.called() returns int language sql as $$ select 1 $$',
        () => watcher!.current!.routines.size === 1,
      ],
      [
        'an enum',
        `create type api.size as enum ('s'); alter table api.looked add column size api.size`,
        () => column('looked', 'size')?.enumLabels.length === 1,
      ],
      [
        'a label',
        `alter type api.size add value 'm'`,
        () => column('looked', 'size')?.enumLabels.length === 2,
      ],
      ['a new name', 'alter table api.looked rename to renamed', () => has('renamed')],
      ['a move', 'create schema away; alter table api.renamed set schema away', () => !has('renamed')],
      ['a removal', 'drop schema away cascade', () => !has('seen')],
    ])('it is loaded again for %s', async (_, statement, seen) => {
      await watch({ channel: null, pace: looking }).firstLoad;
      expect(seen()).toBe(false);
      await target().run(statement);
      await expect.poll(seen, { timeout: 10_000 }).toBe(true);
    });

    test('it is not loaded again for rows, temporary tables and upkeep', async () => {
      await target().run(
        'create table api.kept (id int primary key); create materialized view api.mat as select * from api.kept',
      );
      await watch({ channel: null, pace: looking }).firstLoad;
      const loaded = await loadsMeanwhile(
        `insert into api.kept select generate_series(1, 1000); create temp table t (id int); drop table t`,
        'refresh materialized view api.mat',
        'truncate api.kept',
        'vacuum analyze api.kept',
      );
      expect(loaded).toBe(0);
    });

    test('it is not loaded again for the settings of another database', async () => {
      await watch({ channel: null, pace: looking }).firstLoad;
      const loaded = await loadsMeanwhile(
        `alter database template1 set lightning_test.elsewhere = '1'`,
        'alter database template1 reset lightning_test.elsewhere',
      );
      expect(loaded).toBe(0);
    });

    /**
     * The number of loads while the statements ran. A change of roles causes a load, and roles belong to the whole
     * server: the statements run again when the set-up of another test changed roles meanwhile.
     */
    const loadsMeanwhile = async (...statements: readonly string[]): Promise<number> => {
      const looks = () => new Promise((resolve) => setTimeout(resolve, 5 * looking.betweenLooks));
      for (;;) {
        const roles = await sharedRoles();
        await looks();
        const before = loads();
        for (const statement of statements) {
          await target().run(statement);
          await looks();
        }
        const loaded = loads() - before;
        if ((await sharedRoles()) === roles) return loaded;
      }
    };
    const sharedRoles = async () => {
      const { rows } = await target().database.query<{ marks: string }>({
        text: `select string_agg(mark, ' ' order by mark) as marks from (
            select m.oid || ' ' || m.xmin as mark from pg_catalog.pg_auth_members m
            union all
            select s.setrole || ' ' || s.xmin from pg_catalog.pg_db_role_setting s where s.setdatabase = 0
          ) m`,
      });
      return rows[0]?.marks;
    };
    const table = (name: string) => watcher!.current!.tables.get(nameKey('api', name));
    const column = (name: string, columnName: string) => table(name)?.columns.get(columnName);
  });

  describe('where the event trigger of lightning setup announces changes', () => {
    beforeAll(() => prepare(target()));

    test('it is loaded again for them, without a look at the catalog', async () => {
      await watch({ pace: { betweenLooks: 50 } }).firstLoad;
      // The first look after listening begins finds the earlier changes.
      await expect.poll(() => loads()).toBeGreaterThan(0);
      await listening();
      for (const statement of [
        'create table api.announced (id int)',
        'alter table api.announced add column a int',
        `comment on table api.announced is 'x'`,
        'drop table api.announced',
      ]) {
        const before = loads();
        await target().run(statement);
        await expect.poll(() => loads()).toBeGreaterThan(before);
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = loads();
      await target().run(
        `set session_replication_role = replica; create table api.silent (id int); reset session_replication_role`,
      );
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(loads()).toBe(before);
      expect(has('silent')).toBe(false);
    });

    test('it is not loaded again for temporary tables, indexes and refreshes', async () => {
      await watch().firstLoad;
      await listening();
      await target().run(
        'create table if not exists api.still (id int); create materialized view api.fresh as select * from api.still',
      );
      await expect.poll(() => watcher!.current!.tables.has(nameKey('api', 'fresh'))).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = loads();
      await target().run('create temp table temporary (id int)');
      await target().run('create index on api.still (id)');
      await target().run('refresh materialized view api.fresh');
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(loads()).toBe(before);
    });

    // An embedded client cannot end another one's connection.
    test.skipIf(kind === 'embedded')(
      'it is loaded again when the listening connection was lost, because of missed changes',
      async () => {
        await watch().firstLoad;
        await listening();
        await new Promise((resolve) => setTimeout(resolve, 300));
        const before = loads();
        // The division fails when such a connection does not exist. Its last statement is a listen, or the
        // notification to itself.
        await target().run(`
        set session_replication_role = replica;
        create table api.unheard (id int);
        reset session_replication_role;
        select 1 / count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and query ~* '^(listen|notify)' and pid <> pg_backend_pid()`);
        await expect.poll(() => has('unheard'), { timeout: 10_000 }).toBe(true);
        expect(loads()).toBeGreaterThan(before);
      },
    );
  });

  test('is no longer loaded once it is closed', async () => {
    await watch().firstLoad;
    const closed = watcher!;
    await closed.close();
    expect(await closed.reload()).toBe(false);
    await target().run('notify pgrst');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(loads()).toBe(1);
  });
});

async function prepare({ url }: Target): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await prepareDatabase(client, testRolePrefix);
  } finally {
    await client.end();
  }
}
