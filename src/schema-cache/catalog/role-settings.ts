import type { Statement } from '../../db/statement.ts';

/** A setting of a role that the login can switch to. */
export interface RoleSettingRow {
  readonly role: string;
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

/**
 * Returns `RoleSettingRow`s: the settings that the login may set itself. Postgres applies a role's settings only at
 * login (PostgREST, Transactions, Impersonated Role Settings).
 */
export function roleSettingsStatement(): Statement {
  return {
    text: `
      select r.rolname as role, lower(s.name) as name, c.value
      from pg_roles r
      cross join lateral unnest(r.rolconfig) with ordinality u (entry, place)
      cross join lateral (
        select split_part(u.entry, '=', 1) as name, substr(u.entry, strpos(u.entry, '=') + 1) as value
      ) c
      join pg_settings s on lower(s.name) = lower(c.name)
      where pg_has_role(r.oid, 'member')
        and (s.context = 'user' or has_parameter_privilege(s.name, 'set'))
      order by r.rolname, u.place`,
  };
}
