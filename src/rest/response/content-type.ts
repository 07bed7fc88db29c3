import type { MediaType } from '../request/media-type.ts';
import { mediaTypeName } from '../request/media-type.ts';

/** PostgREST's own types, which get a charset. The types of media type handlers are sent under their own names. */
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
