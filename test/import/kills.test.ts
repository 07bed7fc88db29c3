import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { spawnLightning } from '../support/lightning.ts';
import { noServer } from '../support/server.ts';
import { writeGeneratedLegacy } from './generated-legacy.ts';

/** The short form kills three times; `KILLS=10` is the long one. */
const kills = Number(process.env['KILLS'] ?? 3);

/**
 * What a tenant has, a line a table: how many rows, and a hash over them. Left out are ids that are drawn, and moments that are those of
 * the import.
 */
const tables: Readonly<Record<string, readonly string[]>> = {
  'app_public.agents': ['created_at', 'updated_at'],
  'app_public.knowledge': [],
  'app_public.tasks': ['run_after', 'queue_at'],
  'app_public.workflows': ['created_at', 'updated_at'],
  'app_public.threads': ['id', 'created_at', 'last_message_at'],
  'app_public.messages': ['id', 'thread_id'],
  'app_public.metrics': ['id'],
  'legacy.users': ['created_at', 'updated_at'],
  'legacy.turns': ['thread_id'],
  'legacy.task_fields': [],
  'legacy.agent_fields': [],
};

interface Report {
  readonly complete: boolean;
  readonly stores: readonly {
    readonly store: string;
    readonly read: number;
    readonly stored: number;
    readonly already_there: number;
    readonly quarantined: number;
    readonly reasons: unknown;
    readonly sha256: { readonly read: string; readonly database: string };
  }[];
}

describe.skipIf(noServer)('an import of the legacy system that is killed', () => {
  let made: MigratedDatabase;
  let admin: Client;
  let scratch: string;
  let folder: string;
  beforeAll(async () => {
    made = await migratedDatabase();
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    scratch = await mkdtemp(path.join(tmpdir(), 'lt-kills-'));
    folder = path.join(scratch, 'legacy');
    await writeGeneratedLegacy(folder, 1);
    for (const id of ['whole', 'killed'])
      await admin.query('insert into app_public.tenants (id, name) values ($1, $1)', [id]);
  }, 120_000);
  afterAll(async () => {
    await admin?.end();
    await made?.drop();
    await rm(scratch, { recursive: true, force: true });
  }, 60_000);

  const start = (tenant: string) =>
    spawnLightning(
      [
        'import',
        folder,
        `--tenant=${tenant}`,
        '--create-missing-agents',
        '--without-backup',
        `--quarantine=${path.join(scratch, 'quarantine')}`,
        `--report=${path.join(scratch, tenant)}`,
      ],
      { DATABASE_URL: made.urls.api, MIGRATE_DATABASE_URL: made.urls.migrate },
    );
  const finish = async (tenant: string): Promise<Report> => {
    const { status, stderr } = await start(tenant).ended;
    expect({ status, stderr: stderr.replaceAll(/^\d+ of \d+ items.*\n/gm, '') }).toEqual({
      status: 0,
      stderr: '',
    });
    return JSON.parse(await readFile(path.join(scratch, tenant), 'utf8')) as Report;
  };

  /** The transaction of an import that is loading a source; undefined: none is at the moment. */
  const inTheMiddle = async (): Promise<{ pid: number; xid: string } | undefined> => {
    const { rows } = await admin.query<{ pid: number; xid: string }>(
      `select a.pid, a.backend_xid::text as xid from pg_stat_activity a
       where a.datname = current_database() and a.backend_xid is not null and a.query like '%import_rows%' and a.pid <> pg_backend_pid()`,
    );
    return rows[0];
  };

  /**
   * Starts an import and kills it in the middle of the source that is being loaded when `after` sources were seen. Returns what became of the
   * transaction that it was seen in, or null when the import ended first.
   */
  const killOne = async (after: number): Promise<string | null> => {
    const { process: child, ended } = start('killed');
    const seen = new Set<string>();
    for (;;) {
      const found = await inTheMiddle();
      if (found) seen.add(found.xid);
      if (found && seen.size > after) {
        await pause(Math.random() * 20);
        const again = await inTheMiddle();
        if (again?.xid === found.xid) {
          child.kill('SIGKILL');
          await ended;
          for (;;) {
            const { rows } = await admin.query('select from pg_stat_activity where pid = $1', [found.pid]);
            if (rows.length === 0) break;
            await pause(20);
          }
          const { rows } = await admin.query<{ status: string }>(
            'select pg_xact_status($1::text::xid8) as status',
            [found.xid],
          );
          return rows[0]?.status ?? null;
        }
      }
      if (child.exitCode !== null) return null;
    }
  };

  const contents = async (tenant: string): Promise<Record<string, unknown>> => {
    const found: Record<string, unknown> = {};
    for (const [table, drawn] of Object.entries(tables)) {
      const { rows } = await admin.query(
        `select count(*)::int as rows, md5(coalesce(string_agg(l.line, E'\\n' order by l.line collate "C"), '')) as hash
         from (select (to_jsonb(t) - $2::text[])::text as line from ${table} t where t.tenant_id = $1) l`,
        [tenant, ['tenant_id', ...drawn]],
      );
      found[table] = rows[0];
    }
    return found;
  };

  it(
    `at ${kills} random moments in the middle of a source has the same result when it is run again`,
    async () => {
      const whole = await finish('whole');
      const wanted = await contents('whole');
      expect(wanted).toMatchObject({
        'app_public.knowledge': { rows: expect.any(Number) },
        'app_public.metrics': { rows: expect.any(Number) },
      });
      for (const table of Object.keys(tables).filter((name) => !/workflows|agent_fields/.test(name)))
        expect(wanted[table], table).not.toMatchObject({ rows: 0 });

      const sources = whole.stores.length;
      const moments: string[] = [];
      for (let tries = 0; moments.length < kills && tries < 5 * kills; tries += 1) {
        const status = await killOne(Math.floor(Math.random() * sources));
        // What was committed between the look and the kill, or ended before, was not in the middle.
        if (status === 'aborted') moments.push(status);
      }
      expect(moments).toHaveLength(kills);

      const last = await finish('killed');
      expect(await contents('killed')).toEqual(wanted);
      expect(last.complete).toBe(true);
      for (const [i, { stored, already_there: there, ...rest }] of last.stores.entries()) {
        const { stored: storedBefore, already_there: thereBefore, ...before } = whole.stores[i]!;
        expect(stored + there).toBe(storedBefore + thereBefore);
        expect({ ...rest, files: 0 }).toMatchObject({
          store: before.store,
          read: before.read,
          quarantined: before.quarantined,
          reasons: before.reasons,
        });
      }
    },
    60_000 + kills * 40_000,
  );
});
