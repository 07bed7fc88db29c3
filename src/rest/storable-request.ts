import { isUtf8 } from 'node:buffer';
import { mark, storableJsonBytes, storableText } from '../storable-text.ts';
import { decodeHeader } from './request/percent-encoding.ts';
import { mediaTypeName } from './request/media-type.ts';
import { parseMediaType } from './request/parse-media-type.ts';
import type { RawRequest } from './request/raw-request.ts';

/**
 * The request with U+FFFD in the place of what Postgres cannot store (src/storable-text.ts), in the query string and in the body. A binary
 * body stays as it is, and so does one that is not UTF-8, which is refused later.
 */
export function storableRequest(raw: RawRequest): RawRequest {
  const query = storableQuery(raw.query);
  const body = raw.body.length === 0 ? raw.body : storableBody(raw.body, raw.headers['content-type']);
  return query === raw.query && body === raw.body ? raw : { ...raw, query, body };
}

const json = 'application/json';
const encodedMark = encodeURIComponent(mark);

function storableQuery(query: string): string {
  return query.includes('%00') ? query.replaceAll('%00', encodedMark) : query;
}

function storableBody(body: Buffer, contentType = json): Buffer {
  switch (contentType === json ? json : mediaTypeName(parseMediaType(decodeHeader(contentType)))) {
    case json:
      return storableJsonBytes(body);
    case 'application/x-www-form-urlencoded':
      return body.includes('%00') ? Buffer.from(storableQuery(body.toString('latin1')), 'latin1') : body;
    case 'text/csv':
    case 'text/plain':
    case 'text/xml':
      return body.includes(0) && isUtf8(body) ? Buffer.from(storableText(body.toString('utf8'))) : body;
    default:
      return body;
  }
}
