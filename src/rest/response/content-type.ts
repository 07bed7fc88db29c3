import type { MediaType } from '../request/media-type.ts';
import { mediaTypeName } from '../request/media-type.ts';

/** Types of PostgREST's own, which get a charset. Those of media type handlers are sent as they are called. */
const withCharset = new Set([
  'application/json',
  'application/geo+json',
  'text/csv',
  'text/plain',
  'text/xml',
  'application/openapi+json',
  'application/x-www-form-urlencoded',
  '*/*',
]);

/** The Content-Type of an answer in this media type. */
export function contentType(mediaType: MediaType): string {
  const name = mediaTypeName(mediaType);
  return mediaType.kind !== 'plain' || withCharset.has(name) ? `${name}; charset=utf-8` : name;
}
