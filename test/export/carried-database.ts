import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { Manifest } from '../../src/export/manifest.ts';
import { isManifestName } from '../../src/export/manifest.ts';
import { openConnections } from '../../src/open-database.ts';
import { migratedDatabase } from '../support/db.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { lightningHere } from '../support/lightning-here.ts';
import type { Ended } from '../support/lightning-here.ts';
import { testRolePrefix } from '../support/logins.ts';
import { strongSecret } from '../support/token-keys.ts';

/** A migrated database, and the commands on it. */
export interface CarriedDatabase {
  readonly kind: 'embedded' | 'server';
  /** A superuser, to arrange and inspect. */
  readonly admin: Client;
  readonly adminUrl: string;
  readonly env: Readonly<Record<string, string>>;
  lightning(...argv: string[]): Promise<Ended>;
  /** Exports into a new folder. Throws with what the command says when it fails. */
  exported(...flags: string[]): Promise<Exported>;
  close(): Promise<void>;
}

/** An export in a folder. */
export interface Exported {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** A new database of this kind. */
export async function carriedDatabase(kind: 'embedded' | 'server'): Promise<CarriedDatabase> {
  const made = kind === 'embedded' ? await embedded() : await server();
  const env = { ...made.env, DB_ROLE_PREFIX: testRolePrefix };
  const admin = new Client({ connectionString: made.adminUrl });
  await admin.connect();
  const lightning = (...argv: string[]) => lightningHere(argv, env);
  return {
    kind,
    admin,
    adminUrl: made.adminUrl,
    env,
    lightning,
    exported: async (...flags) => {
      const folder = path.join(await mkdtemp(path.join(tmpdir(), 'export-')), 'export');
      const ended = await lightning('export', '--output', folder, ...flags);
      if (ended.status !== 0) throw new Error(ended.stderr);
      return { folder, manifest: await manifestOf(folder) };
    },
    close: async () => {
      await admin.end();
      await made.close();
    },
  };
}

/** The manifest of an export that is not encrypted. */
export async function manifestOf(folder: string): Promise<Manifest> {
  const name = (await readdir(folder)).find(isManifestName)!;
  return JSON.parse(await readFile(path.join(folder, name), 'utf8')) as Manifest;
}

/** Rows and digests of every table, by name. */
export function digestsOf({ tables }: Manifest): Record<string, string> {
  return Object.fromEntries(tables.map(({ table, rows, sha256 }) => [table, `${rows} ${sha256}`]));
}

async function embedded() {
  const directory = await migratedDataDirectory();
  const env = { DATA_DIR: directory };
  const connections = await openConnections(parseConfig(env), () => {}, { attach: false });
  return { env, adminUrl: connections.api!, close: () => connections.close() };
}

async function server() {
  const { urls, adminUrl, drop } = await migratedDatabase();
  const env = {
    DATABASE_URL: urls.api,
    MIGRATE_DATABASE_URL: urls.migrate,
    WORKER_DATABASE_URL: urls.worker,
    BACKUP_DATABASE_URL: urls.backup,
    JWT_SECRET: strongSecret,
  };
  return { env, adminUrl, close: drop };
}

/**
 * A table of a tenant with a column of every type that has extremes, and rows with them. Its trigger would change what is loaded,
 * and its number is given by the database.
 */
export async function makeExtremes(admin: Client, withRows: boolean): Promise<void> {
  await admin.query(`
    set role ${testRolePrefix}_owner;
    create type app_public.mood as enum ('fine', 'a "b", {c}');
    create type app_public.pair as (a integer, b text);
    create table app_public.extremes (
      tenant_id text collate "C" not null references app_public.tenants (id),
      name text not null,
      number bigint not null generated always as identity,
      doubled numeric generated always as (n * 2) stored,
      n numeric, n2 numeric(20, 5), f4 float4, f8 float8, i2 int2, i4 int4, i8 int8, b boolean,
      t text, c char(5), v varchar(10), by bytea, u uuid,
      ts timestamp, tz timestamptz, d date, ti time, tt timetz, i interval,
      j json, jb jsonb, ta text[], na numeric[], ia integer[], m app_public.mood, p app_public.pair, pa app_public.pair[],
      r int4range, tr tstzrange, mr nummultirange, ip inet, ma macaddr, bi bit(3), bv bit varying,
      ve public.vector(3), hv public.halfvec(2), sv public.sparsevec(5), pt point, x8 xid8, lsn pg_lsn, ch "char", na_me name, tsv tsvector,
      "odd "" name\\, {x}" text,
      updated_at timestamptz not null default now(),
      primary key (tenant_id, name)
    );
    create function app_private.tg_extremes() returns trigger language plpgsql set search_path to pg_catalog as $$
    begin NEW.updated_at := now(); NEW.t := 'changed'; return NEW; end $$;
    alter table app_public.extremes enable row level security, force row level security;
    select audit.enable_tracking('app_public.extremes');
    reset role;`);
  if (withRows) {
    await admin.query(`
      insert into app_public.extremes (tenant_id, name) values ('acme', 'nulls');
      insert into app_public.extremes (tenant_id, name, n, n2, f4, f8, i2, i4, i8, b, t, c, v, by, u, ts, tz, d, ti, tt, i, j, jb, ta, na, ia,
        m, p, pa, r, tr, mr, ip, ma, bi, bv, ve, hv, sv, pt, x8, lsn, ch, na_me, tsv, "odd "" name\\, {x}", updated_at)
      select 'acme', 'low', -(10::numeric ^ 1000), -99999.99999, '-infinity', '-infinity', -32768, -2147483648, -9223372036854775808, false,
        '', '', '', '', '00000000-0000-0000-0000-000000000000', '-infinity', '-infinity', '-infinity', '00:00', '00:00+15:59',
        '-178000000 years', '[1,\n  2,\t"\\u0000"]', ('{"n": 1e400, "m": -' || repeat('9', 60) || '.10, "s": "\\ud83d\\ude00\\n"}')::jsonb,
        '{}', '{NaN,-Infinity,1e-20}', '[-2:0]={1,NULL,3}', 'fine', '(1,)', '{"(1,\\"a,b\\")",NULL}', 'empty', '(-infinity,infinity)', '{}',
        '::1/128', '08:00:2b:01:02:03', '000', '', '[-1e-30,0,3e38]', '[1,2]', '{}/5', '(1e308,-0)', '0', '0/0', '', '', '', E'\\t',
        '0044-03-15 00:00:00+00 BC';
      insert into app_public.extremes (tenant_id, name, n, n2, f4, f8, i2, i4, i8, b, t, c, v, by, u, ts, tz, d, ti, tt, i, j, jb, ta,
        m, p, r, mr, ip, bi, bv, ve, hv, sv, x8, lsn, ch, na_me, tsv, updated_at)
      select 'acme', E'high \\n\\t\\\\ 😀 \\u2028 "quoted" Äß', 10::numeric ^ 1000 + 0.1, 'NaN', 'NaN', 'NaN', 32767, 2147483647, 9223372036854775807, true,
        E'tab\\tnewline\\nreturn\\rbackslash\\\\ \\\\N \\\\. quote" nul-like \\x01 \\x7f \\u2028 😀 ' || repeat('x', 100000), 'ab', 'ä', '\\x00ff5c0a',
        'ffffffff-ffff-ffff-ffff-ffffffffffff', 'infinity', '294276-12-31 23:59:59.999999+00', 'infinity', '24:00', '24:00-15:59',
        '178000000 years 1 mon -1 day 00:00:00.000001', 'null', 'null', array['', 'NULL', null, 'a,b', '{"}', E'\\n\\\\', '"'],
        'a "b", {c}', row(null, E'a"\\\\\\n,)')::app_public.pair, '[1,)', '{[1,2),(3,4)}', '10.0.0.1/8', '111', '10101', '[1e-7,-1.5,123456.789]', '[65504,-1]',
        '{1:1.5,5:-2}/5', '18446744073709551615', 'FFFFFFFF/FFFFFFFF', 'z', 'na"me', $$'a''b':1A 'c d':2$$, '2001-02-03 04:05:06.000007+00';
      insert into app_public.extremes (tenant_id, name, f8, f4, n, tz, jb) values
        ('acme', 'small', '-0', 1e-45, 0.${'0'.repeat(200)}1, '4713-01-01 00:00:00+00 BC', '"a \\"text\\""'),
        ('acme', 'float', 1.7976931348623157e308, 3.4028235e38, 'infinity', 'infinity', '"null"'), ('rival', 'other', 5e-324, 0.1, '-infinity', 'epoch', '-0.10');`);
  }
  await admin.query(
    'create trigger _100_timestamps before insert or update on app_public.extremes for each row execute function app_private.tg_extremes()',
  );
}
