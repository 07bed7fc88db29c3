import type { Client } from 'pg';
import { roleName } from '../../src/db/roles.ts';
import { testRolePrefix } from '../support/logins.ts';

/** A column that a request may write, or an argument that it may give. */
export interface Inlet {
  readonly name: string;
  /** The type's name in Postgres, without a length. */
  readonly type: string;
  /** Whether a request may leave it out. */
  readonly optional: boolean;
}

/** A table or function of app_public, with everything that a service may write to it. */
export interface Surface {
  readonly kind: 'table' | 'function';
  readonly name: string;
  readonly inlets: readonly Inlet[];
}

/** All inlets in the catalog: a new column or argument is poisoned automatically. */
export async function readSurface(admin: Client): Promise<readonly Surface[]> {
  const { rows } = await admin.query<Surface>(
    `select 'table' as kind, c.relname as name, jsonb_agg(jsonb_build_object(
         'name', a.attname, 'type', regexp_replace(format_type(a.atttypid, null), '^public\\.', ''),
         'optional', a.atthasdef or not a.attnotnull) order by a.attnum) as inlets
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'app_public'::regnamespace and not c.relispartition and a.attname <> 'tenant_id'
       and (has_column_privilege($1, c.oid, a.attnum, 'insert') or has_column_privilege($1, c.oid, a.attnum, 'update'))
     group by c.relname
     union all
     select 'function', p.proname, coalesce(jsonb_agg(jsonb_build_object(
         'name', n.name, 'type', regexp_replace(format_type(t.type, null), '^public\\.', ''),
         'optional', n.position > p.pronargs - p.pronargdefaults) order by n.position) filter (where n.name is not null), '[]')
     from pg_proc p
     left join unnest(p.proargnames) with ordinality n(name, position) on n.position <= p.pronargs
     left join unnest(p.proargtypes) with ordinality t(type, position) on t.position = n.position
     where p.pronamespace = 'app_public'::regnamespace and has_function_privilege($1, p.oid, 'execute')
     group by p.oid, p.proname
     order by 1, 2`,
    [roleName(testRolePrefix, 'service')],
  );
  return rows;
}
