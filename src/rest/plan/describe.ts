import type { ApiRequest } from '../request/query.ts';
import { notAvailable } from './negotiate.ts';
import type { DescribeAction } from './plan.ts';

/** The media types that ask for the OpenAPI document. */
const openApiTypes: ReadonlySet<string> = new Set(['application/openapi+json', 'application/json', '*/*']);

/** Browsers get the reference page, all other clients the document. Throws PGRST107. */
export function describeFormat({ accept }: Pick<ApiRequest, 'accept'>): DescribeAction['format'] {
  for (const mediaType of accept) {
    if (mediaType.kind !== 'plain') continue;
    if (mediaType.name === 'text/html') return 'html';
    if (openApiTypes.has(mediaType.name)) return 'openapi';
  }
  throw notAvailable(accept);
}
