import type { MediaType } from '../request/media-type.ts';

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

function mediaTypeName(mediaType: MediaType): string {
  switch (mediaType.kind) {
    case 'plain':
      return mediaType.name;
    case 'object':
      return `application/vnd.pgrst.object+json${mediaType.stripNulls ? ';nulls=stripped' : ''}`;
    case 'array-nulls-stripped':
      return 'application/vnd.pgrst.array+json;nulls=stripped';
    case 'plan': {
      const options = mediaType.options.length > 0 ? `; options=${mediaType.options.join('|')}` : '';
      return `application/vnd.pgrst.plan+${mediaType.format}; for="${mediaTypeName(mediaType.of)}"${options}`;
    }
    default:
      return mediaType satisfies never;
  }
}
