import { describe, expect, test } from 'vitest';
import { override } from '../../../src/rest/response/override.ts';
import type { RestResponse } from '../../../src/rest/response/rest-response.ts';

const response: RestResponse = { status: 200, headers: [['Content-Type', 'text/csv']], body: 'a' };

describe('the parts of an answer that functions set', () => {
  test('may be empty', () => {
    expect(override(response, null, null)).toBe(response);
    expect(override(response, '', '')).toBe(response);
    expect(override(response, '[]', null)).toEqual(response);
  });

  test('replace headers of the same name in any case, and may repeat their own', () => {
    expect(override(response, '[{"content-type":"a/b"},{"X":"ä"},{"X":""}]', null).headers).toEqual([
      ['content-type', 'a/b'],
      ['X', 'ä'],
      ['X', ''],
    ]);
  });

  test.each([
    ['204', 204],
    ['999', 999],
    // PostgREST reads the leading digits.
    ['404 or so', 404],
  ])('is the status %s', (text, status) => {
    expect(override(response, null, text).status).toBe(status);
  });

  test.each(['x', '-1', '99', '100', '1000', ' 200'])('are refused with the status: %s', (text) => {
    expect(() => override(response, null, text)).toThrow(
      expect.objectContaining({
        code: 'PGRST112',
        message: 'response.status guc must be a valid status code',
      }),
    );
  });

  test.each([
    'x',
    '{}',
    '"a"',
    '[1]',
    '[null]',
    '[{}]',
    '[{"a":1}]',
    '[{"a":"1","b":"2"}]',
    '[{"a b":"1"}]',
    '[{"":"1"}]',
    '[{"a":"1\\r\\nSet-Cookie: b"}]',
  ])('is refused as headers: %s', (text) => {
    expect(() => override(response, text, null)).toThrow(
      expect.objectContaining({
        code: 'PGRST111',
        message:
          'response.headers guc must be a JSON array composed of objects with a single key and a string value',
      }),
    );
  });
});
