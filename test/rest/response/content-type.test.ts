import { expect, test } from 'vitest';
import type { MediaType } from '../../../src/rest/request/media-type.ts';
import { contentType } from '../../../src/rest/response/content-type.ts';

const plain = (name: string): MediaType => ({ kind: 'plain', name });

test.each<[MediaType, string]>([
  [plain('application/json'), 'application/json; charset=utf-8'],
  [plain('application/geo+json'), 'application/geo+json; charset=utf-8'],
  [plain('text/csv'), 'text/csv; charset=utf-8'],
  [plain('text/plain'), 'text/plain; charset=utf-8'],
  [plain('text/xml'), 'text/xml; charset=utf-8'],
  [plain('application/octet-stream'), 'application/octet-stream'],
  [plain('image/png'), 'image/png'],
  [{ kind: 'object', stripNulls: false }, 'application/vnd.pgrst.object+json; charset=utf-8'],
  [{ kind: 'object', stripNulls: true }, 'application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8'],
  [{ kind: 'array-nulls-stripped' }, 'application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8'],
])('%o is %s', (mediaType, text) => {
  expect(contentType(mediaType)).toBe(text);
});
