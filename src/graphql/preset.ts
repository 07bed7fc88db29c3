import { PgAggregatesPreset } from '@graphile/pg-aggregates';
import { PgSimplifyInflectionPreset } from '@graphile/simplify-inflection';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { PostGraphileConnectionFilterPreset } from 'postgraphile-plugin-connection-filter';
import type { Database } from '../db/database.ts';
import { carryExactValues, ExactRangesPlugin } from './exact-values.ts';
import { makePgService } from './pg-service.ts';
import { KeepIdNamePlugin } from './plugins/keep-id-name.ts';
import { RefuseUpdateOfNothingPlugin } from './plugins/refuse-update-of-nothing.ts';
import { RowChangedPlugin } from './plugins/row-changed.ts';
import { makeShowWhatAnyRoleMayDoPlugin } from './plugins/show-what-any-role-may-do.ts';
import { VectorCodecPlugin } from './plugins/vector-codec.ts';

/** PostGraphile as this project uses it. What single tables and columns show is said by smart tags in sql/. */
export function makePreset(database: Database, rolePrefix: string): GraphileConfig.Preset {
  carryExactValues();
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PgAggregatesPreset,
      PostGraphileConnectionFilterPreset,
    ],
    plugins: [
      KeepIdNamePlugin,
      VectorCodecPlugin,
      ExactRangesPlugin,
      RowChangedPlugin,
      RefuseUpdateOfNothingPlugin,
      makeShowWhatAnyRoleMayDoPlugin(rolePrefix),
    ],
    disablePlugins: [
      // No global object ids: rows are asked for by their own id, and `id` is the column, not an encoding of the key.
      'NodePlugin',
      'AddNodeInterfaceToSuitableTypesPlugin',
      // It hides filters and orders of columns that no index begins with. All of ours begin with the tenant, which
      // row-level security adds to every query.
      'PgIndexBehaviorsPlugin',
    ],
    pgServices: [makePgService(database, rolePrefix)],
    schema: {
      defaultBehavior: '-node -interface:node',
      // Of tasks by their agent and agents by their tasks; one level, and an index below it.
      connectionFilterRelations: true,
      connectionFilterAllowEmptyObjectInput: true,
      // A filter that is null is one that a client left out.
      connectionFilterAllowNullInput: true,
    },
  };
}
