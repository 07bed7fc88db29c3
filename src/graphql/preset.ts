import { PgAggregatesPreset } from '@graphile/pg-aggregates';
import { PgSimplifyInflectionPreset } from '@graphile/simplify-inflection';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { PostGraphileConnectionFilterPreset } from 'postgraphile-plugin-connection-filter';
import type { Installation } from '../db/installation.ts';
import type { PageSizes } from '../request-budget.ts';
import { carryExactValues, ExactRangesPlugin } from './exact-values.ts';
import type { Exposure } from './exposure.ts';
import { makePgService } from './pg-service.ts';
import { ExactJsonLiteralsPlugin } from './plugins/exact-json-literals.ts';
import { makeHideWhatOperatorsMayNotCallPlugin } from './plugins/hide-what-operators-may-not-call.ts';
import { KeepIdNamePlugin } from './plugins/keep-id-name.ts';
import { makeLimitGroupsPlugin } from './plugins/limit-groups.ts';
import { RefuseUpdateOfNothingPlugin } from './plugins/refuse-update-of-nothing.ts';
import { RememberBehaviorsPlugin } from './plugins/remember-behaviors.ts';
import { RowChangedPlugin } from './plugins/row-changed.ts';
import { makeShowWhatAnyRoleMayDoPlugin } from './plugins/show-what-any-role-may-do.ts';
import { VectorCodecPlugin } from './plugins/vector-codec.ts';

/** PostGraphile as this project configures it. Smart tags in sql/ say what single tables and columns show. */
export function makePreset(
  installation: Installation,
  pages: PageSizes,
  exposure: Exposure,
): GraphileConfig.Preset {
  carryExactValues();
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PgAggregatesPreset,
      PostGraphileConnectionFilterPreset,
    ],
    plugins: [
      RememberBehaviorsPlugin,
      KeepIdNamePlugin,
      VectorCodecPlugin,
      ExactRangesPlugin,
      ExactJsonLiteralsPlugin,
      RefuseUpdateOfNothingPlugin,
      makeLimitGroupsPlugin(pages.largest),
      ...(exposure.isOfTenants
        ? [RowChangedPlugin, makeShowWhatAnyRoleMayDoPlugin(installation.rolePrefix)]
        : [makeHideWhatOperatorsMayNotCallPlugin(installation.rolePrefix)]),
    ],
    disablePlugins: [
      // No global object ids: rows are fetched by their own id, and `id` is the column, not an encoding of the key.
      'NodePlugin',
      'AddNodeInterfaceToSuitableTypesPlugin',
      // It hides filters and orders of columns that no index begins with. All our indexes begin with the tenant, which
      // row-level security adds to every query.
      'PgIndexBehaviorsPlugin',
    ],
    pgServices: [makePgService(installation, exposure)],
    schema: {
      defaultBehavior: '-node -interface:node',
      // Allows filtering tasks by their agent and agents by their tasks: one level, with an index to support it.
      connectionFilterRelations: true,
      connectionFilterAllowEmptyObjectInput: true,
      // A null filter counts as one that the client left out.
      connectionFilterAllowNullInput: true,
    },
  };
}
