import type { RestOptions } from './options.ts';
import type { ApiRequest } from './request/query.ts';

type Preferences = ApiRequest['preferences'];

/** How matching rows are counted; null: they are not counted. PostgREST, Pagination and Count. */
export function countMethod(
  { count }: Pick<Preferences, 'count'>,
  { plannerCounts }: Pick<RestOptions, 'plannerCounts'>,
): Preferences['count'] {
  return count === null || plannerCounts ? count : 'exact';
}
