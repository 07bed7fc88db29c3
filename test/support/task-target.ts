import type { Client } from 'pg';
import { claimsOf } from '../../src/auth/claims.ts';
import type { RequestRole } from '../../src/auth/claims.ts';
import { asRequester } from '../../src/auth/requester.ts';
import type { ScopedDatabase } from '../../src/db/scoped-database.ts';
import type { ApiTarget } from './api-targets.ts';
import { installationIn } from './installation.ts';

/** A row as node-postgres returns it: bigint as text, JSON and times parsed. */
export type Row = Record<string, unknown>;

/** An empty tenant, and a role that may act in it. */
export interface TaskTenant {
  readonly name: string;
  /** A superuser, which sees everything and arranges what would otherwise take time. */
  readonly admin: Client;
  as(role: RequestRole): ScopedDatabase;
  /** Calls a function of app_public with named arguments; objects are passed as JSON. Returns the rows. */
  call(role: RequestRole, name: string, args?: Row): Promise<Row[]>;
  /** Calls a function in the same way as a service, and returns its one row. */
  one(name: string, args?: Row): Promise<Row>;
  /** A task as the superuser sees it. */
  task(id: unknown): Promise<Row>;
  /** The attempts of a task, oldest first. */
  attempts(id: unknown): Promise<Row[]>;
  /** Makes a lease expire now. */
  expire(id: unknown): Promise<void>;
}

let made = 0;

/** Creates a new tenant, so that tests on one database do not meet. */
export async function taskTenant({ database, admin }: ApiTarget): Promise<TaskTenant> {
  const name = `tenant_${(made += 1)}`;
  await admin.query('select ops.create_tenant($1, $1)', [name]);
  const as = (role: RequestRole) =>
    asRequester(installationIn(database), claimsOf(role, name, `${role}@${name}`));
  const call = async (role: RequestRole, fn: string, args: Row = {}): Promise<Row[]> => {
    const { rows } = await as(role).query<Row>(callOf(fn, args));
    return rows;
  };
  return {
    name,
    admin,
    as,
    call,
    one: async (fn, args) => {
      const rows = await call('service', fn, args);
      if (rows.length !== 1) throw new Error(`${fn} gave ${rows.length} rows, not one`);
      return rows[0]!;
    },
    task: async (id) => {
      const { rows } = await admin.query<Row>('select * from app_public.tasks where id = $1', [id]);
      if (!rows[0]) throw new Error(`task ${String(id)} does not exist`);
      return rows[0];
    },
    attempts: async (id) => {
      const { rows } = await admin.query<Row>(
        'select * from app_public.task_attempts where task_id = $1 order by attempt',
        [id],
      );
      return rows;
    },
    expire: async (id) => {
      const { rowCount } = await admin.query(
        "update app_public.task_leases set expires_at = now() - interval '1 second' where task_id = $1",
        [id],
      );
      if (rowCount !== 1) throw new Error(`task ${String(id)} has no lease that could expire`);
    },
  };
}

/** The statement that calls a function of app_public with named arguments. */
export function callOf(fn: string, args: Row): { text: string; values: unknown[] } {
  const names = Object.keys(args).map((name, i) => `${name} => $${i + 1}`);
  const values = Object.values(args).map((value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value,
  );
  return { text: `select * from app_public.${fn}(${names.join(', ')})`, values };
}
