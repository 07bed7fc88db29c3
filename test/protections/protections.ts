import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';

/** Something in the database that refuses, records or guards, and that can be taken away alone. */
export interface Protection {
  /** For people: `check 2 of ops.set_retention`, `trigger _200_keys on app_public.tasks`. */
  readonly name: string;
  /** The SQL that takes it away, for a superuser. */
  readonly removal: string;
  /** The tests, as parts of file names, of which at least one has to notice. */
  readonly tests: readonly string[];
}

const testFolder = fileURLToPath(new URL('../', import.meta.url));
const sqlFolder = fileURLToPath(new URL('../../sql/', import.meta.url));

/**
 * The tests of a subject, and those beyond `test/db/<subject>` that hold its rules. Not among them are those that compare the catalog
 * with a file: somebody who takes a protection away in a migration writes that file anew.
 */
const alsoTests: Readonly<Record<string, readonly string[]>> = {
  agents: ['test/db/tenancy', 'test/db/audit', 'test/db/conventions', 'test/live/events'],
  audit: ['test/db/conventions', 'test/db/tenancy', 'test/jobs/seal-audit', 'test/commands/delete-tenant'],
  conversations: ['test/db/tenancy', 'test/db/conventions', 'test/db/audit', 'test/live/events'],
  jobs: ['test/jobs/run-jobs', 'test/jobs/job-run', 'test/security/worker-login'],
  keys: ['test/auth/api-key', 'test/api/operators', 'test/db/conventions', 'test/db/tenancy'],
  knowledge: [
    'test/db/tenancy',
    'test/db/conventions',
    'test/db/audit',
    'test/rest/refusals',
    'test/security/worker-login',
  ],
  legacy: ['test/db/tenancy', 'test/db/conventions', 'test/clients/python'],
  live: ['test/live/events', 'test/security/worker-login'],
  metrics: [
    'test/db/tenancy',
    'test/db/conventions',
    'test/retention/retention',
    'test/security/worker-login',
  ],
  retention: [
    'test/retention/retention',
    'test/retention/remove-audit-months',
    'test/db/conventions',
    'test/security/worker-login',
  ],
  rows: [
    'test/db/tenancy',
    'test/db/tasks/enqueue',
    'test/db/row-shape',
    'test/db/knowledge',
    'test/rest/refusals',
  ],
  sessions: ['test/db/tenancy', 'test/db/conventions', 'test/db/audit'],
  tasks: [
    'test/db/workflows',
    'test/db/tenancy',
    'test/db/conventions',
    'test/db/audit',
    'test/security/worker-login',
  ],
  writes: ['test/rollback/stop-writes'],
  tenancy: ['test/db/audit', 'test/db/sessions', 'test/commands/login', 'test/commands/delete-tenant'],
  workflows: [
    'test/db/tenancy',
    'test/db/conventions',
    'test/db/audit',
    'test/db/tasks/enqueue',
    'test/security/worker-login',
  ],
};

/**
 * Every check of a function (a `raise exception`, or a call of a function that only refuses) and every trigger of ours, each with the SQL
 * that takes it away alone. A check is taken away by making it a message that nobody reads.
 */
export async function findProtections(client: Client): Promise<Protection[]> {
  const subjects = await subjectsOf();
  const testsOf = (name: string): readonly string[] => {
    const subject = subjects.get(name) ?? '';
    const own = `test/db/${subject}`;
    return [...(existsSync(`${testFolder}db/${subject}`) ? [own] : []), ...(alsoTests[subject] ?? [])];
  };
  return [...(await findChecks(client, testsOf)), ...(await findTriggers(client, testsOf))];
}

const refusal = /\braise exception\b|\bperform (?:app_private\.refuse_\w+|legacy\.refuse)\(/g;

async function findChecks(
  client: Client,
  testsOf: (name: string) => readonly string[],
): Promise<Protection[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select format('%s.%s', n.nspname, p.proname) as name, pg_get_functiondef(p.oid) as definition
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
     where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy') and l.lanname = 'plpgsql' order by 1`,
  );
  return rows.flatMap(({ name, definition }) =>
    [...definition.matchAll(refusal)].map((match, index) => ({
      name: `check ${index + 1} of ${name}`,
      removal:
        definition.slice(0, match.index) +
        (match[0].startsWith('raise') ? 'raise debug' : 'perform pg_catalog.concat(') +
        definition.slice(match.index + match[0].length),
      tests: testsOf(name),
    })),
  );
}

async function findTriggers(
  client: Client,
  testsOf: (name: string) => readonly string[],
): Promise<Protection[]> {
  const { rows } = await client.query<{ name: string; table: string }>(
    `select quote_ident(t.tgname) as name, format('%s.%s', n.nspname, c.relname) as table
     from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('app_public', 'app_private', 'audit', 'ops', 'legacy') and not t.tgisinternal and not c.relispartition
     order by 2, 1`,
  );
  return rows.map(({ name, table }) => ({
    name: `trigger ${name} on ${table}`,
    removal: `drop trigger ${name} on ${table}`,
    tests: testsOf(table),
  }));
}

/** The folder of sql/ that defines a function, or that has the file of a table, by its name with its schema. */
async function subjectsOf(): Promise<ReadonlyMap<string, string>> {
  const subjects = new Map<string, string>();
  for await (const file of glob('*/*.sql', { cwd: sqlFolder })) {
    const text = await readFile(`${sqlFolder}${file}`, 'utf8');
    for (const [, name = ''] of text.matchAll(
      /^(?:create or replace function|comment on table) (\w+\.\w+)/gm,
    ))
      subjects.set(name, dirname(file));
  }
  return subjects;
}
