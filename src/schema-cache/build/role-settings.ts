import type { RoleSettingRow } from '../catalog/role-settings.ts';
import type { RoleSettings } from '../schema-cache.ts';
import { isolationLevel } from './isolation-level.ts';

/** Settings by role. The isolation level is kept apart, because another command sets it. */
export function buildRoleSettings(rows: readonly RoleSettingRow[]): Map<string, RoleSettings> {
  const byRole = Map.groupBy(rows, (row) => row.role);
  return new Map(
    [...byRole].map(([role, ofRole]) => [
      role,
      {
        isolationLevel: isolationLevel(ofRole.find(({ name }) => name === isolationSetting)?.value),
        settings: ofRole
          .filter(({ name }) => name !== isolationSetting)
          .map(({ name, value }) => [name, value] as const),
      },
    ]),
  );
}

const isolationSetting = 'default_transaction_isolation';
