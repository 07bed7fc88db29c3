import { expect, test } from 'vitest';
import { noPayload, payloadMembers, PayloadError } from '../../src/jobs/payload.ts';

test.each([[undefined], [null], [{}], [{ _cron: { ts: '2026-01-01' } }]])(
  '%j counts as an empty payload',
  (payload) => {
    expect(noPayload(payload)).toBe(null);
  },
);

test.each([
  ['full', 'the payload is "full"; expected an object'],
  [[1], 'the payload is [1]; expected an object'],
  [{ kind: 'full' }, 'the payload has a member "kind"; expected none'],
])('%j is refused with a sentence', (payload, message) => {
  expect(() => noPayload(payload)).toThrow(new PayloadError(message));
});

test('known members are returned, and unknown ones are refused with the list of known ones', () => {
  expect(payloadMembers({ kind: 'full', _cron: {} }, ['kind', 'keep'])).toEqual({ kind: 'full' });
  expect(() => payloadMembers({ kin: 'full' }, ['kind', 'keep'])).toThrow(
    'the payload has a member "kin"; expected one of kind, keep',
  );
});
