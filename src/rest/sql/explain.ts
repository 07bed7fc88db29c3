import type { MediaType } from '../request/media-type.ts';
import { fragment, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';

/** `query` explained as the plan media type asks: PostgREST, Getting the Execution Plan. */
export function explained(
  query: Fragment,
  { format, options }: Extract<MediaType, { kind: 'plan' }>,
): Fragment {
  return fragment`explain (${verbatim([`format ${format}`, ...options].join(', '))}) ${query}`;
}

/** The planner's estimate for `query`, as JSON, without running it. */
export function estimated(query: Fragment): Fragment {
  return fragment`explain (format json) ${query}`;
}
