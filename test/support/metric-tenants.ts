import type { RequestRole } from '../../src/auth/claims.ts';
import { sql } from '../../src/db/statement.ts';
import type { Statement } from '../../src/db/statement.ts';
import type { ApiTarget } from './api-targets.ts';
import { other, own, settingsOf } from './two-tenants.ts';

/** The answer of record_metrics. */
export interface Recorded {
  readonly stored: number;
  readonly rejected: readonly { readonly index: number; readonly reason: string }[];
}

/** A step of a series, with its day and time in UTC as `DD HH24:MI:SS`. */
export interface Bucket {
  readonly at: string;
  readonly tag: string | null;
  readonly value: number | null;
  readonly points: number;
}

/** Records and reads points in one of two tenants. */
export interface MetricTenants {
  /** Runs a statement as a role of a tenant. */
  as<Row>(statement: Statement, role?: RequestRole, tenant?: string): Promise<{ readonly rows: Row[] }>;
  record(points: unknown, role?: RequestRole, tenant?: string): Promise<Recorded | undefined>;
  /** The series `m` of a service between two seconds of the day. Arguments left out take the function's defaults. */
  series(
    service: string,
    from: number,
    to: number,
    rest?: Readonly<Record<string, string>>,
    tenant?: string,
  ): Promise<Bucket[]>;
  /** Code and message of the error that a statement fails with. */
  failing(statement: Statement, role?: RequestRole): Promise<string>;
}

/** Midnight of yesterday: the partitions begin there, and the whole day can be rolled up. */
const day = new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000);

/** A second of that day. */
export const at = (seconds: number): string => new Date(day.getTime() + seconds * 1000).toISOString();

/** Creates both tenants; a call without a tenant means `own`. */
export async function metricTenants({ database, admin }: ApiTarget): Promise<MetricTenants> {
  for (const tenant of [own, other]) await admin.query('select ops.create_tenant($1, $1)', [tenant]);
  const as = <Row>(statement: Statement, role: RequestRole = 'service', tenant = own) =>
    database.queryWith<Row>(settingsOf(role, tenant), statement);
  return {
    as,
    record: async (points, role, tenant) => {
      const recorded = sql`select * from app_public.record_metrics(${JSON.stringify(points)}::json)`;
      return (await as<Recorded>(recorded, role, tenant)).rows[0];
    },
    series: async (service, from, to, rest = {}, tenant = own) => {
      const named = Object.keys(rest).map((name, index) => `, ${name} => $${index + 4}`);
      const { rows } = await as<Bucket>(
        {
          text: `select to_char(bucket_start at time zone 'UTC', 'DD HH24:MI:SS') as at, tag_value as tag, value, points::int as points
            from app_public.metric_series($1, 'm', $2, $3${named.join('')})`,
          values: [service, at(from), at(to), ...Object.values(rest)],
        },
        'member',
        tenant,
      );
      return rows;
    },
    failing: (statement, role) =>
      as(statement, role).then(
        () => 'no error',
        (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
      ),
  };
}
