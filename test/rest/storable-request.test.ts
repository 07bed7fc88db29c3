import { expect, test } from 'vitest';
import { storableRequest } from '../../src/rest/storable-request.ts';

const request = (type: string | null, body: string | Buffer, query = '') => ({
  method: 'POST',
  path: '/tasks',
  query,
  headers: type === null ? {} : { 'content-type': type },
  body: Buffer.from(body),
});
const bodyOf = (type: string | null, body: string | Buffer) =>
  storableRequest(request(type, body)).body.toString();

test.each([
  [null, '{"a":"\\u0000"}', '{"a":"\uFFFD"}'],
  ['application/json; charset=utf-8', '[{"a":NaN}]', '[{"a":"NaN"}]'],
  ['application/vnd.pgrst.array+json', '["\\ud800"]', '["\uFFFD"]'],
  ['text/csv', 'a,b\n\\u0000,\0', 'a,b\n\\u0000,\uFFFD'],
  ['text/plain', 'x\0', 'x\uFFFD'],
  ['text/xml', '<a>\0</a>', '<a>\uFFFD</a>'],
  ['application/x-www-form-urlencoded', 'a=x%00&b=%2500', 'a=x%EF%BF%BD&b=%2500'],
])('a body of type %s: %j becomes %j', (type, body, stored) => {
  expect(bodyOf(type, body)).toBe(stored);
});

test('a query string has the mark in the place of %00, and nothing else changes', () => {
  expect(storableRequest(request(null, '', 'a=eq.x%00%25%2500&b=eq.%FF')).query).toBe(
    'a=eq.x%EF%BF%BD%25%2500&b=eq.%FF',
  );
});

test('bytes stay as they are, and a request without anything to change is the same object', () => {
  for (const given of [
    request('application/octet-stream', '\0\\u0000'),
    request('text/plain', Buffer.from([0, 0xff])),
    request(null, '{"a":"\\u00e9"}', 'a=eq.%20'),
  ])
    expect(storableRequest(given)).toBe(given);
});
