import { describe, expect, test } from 'vitest';
import { asShown, lastJson, textAsShown } from './shown-answer.ts';

const whole = { inPart: false };
const id = '6f0c9a52-3b1e-4c39-9a55-0e8f0f3f6f11';
const otherId = '0e8f0f3f-9a55-4c39-3b1e-6f0c9a526f11';

describe('an answer that a page shows', () => {
  test.each([
    ['an id', otherId, id],
    ['a time', '2026-11-29T20:26:07.591Z', '2026-11-23T22:00:00+00:00'],
    ['a text that is shown in part', 'lts_abcdef', 'lts_...'],
    ['a number that counts what was claimed', { fencing_token: 17 }, { fencing_token: 1 }],
    ['these within lists and objects', [{ a: [otherId] }], [{ a: [id] }]],
  ])('is the same but for %s', (_what, got, shown) => {
    expect(asShown(got, shown, whole)).toEqual(shown);
  });

  test.each([
    ['another text', 'failed', 'completed'],
    ['another number', { attempt: 2 }, { attempt: 1 }],
    ['a null for a time', null, '2026-11-23T22:00:00+00:00'],
    ['a text for an id', 'x', id],
    ['a property more', { a: 1, b: 2 }, { a: 1 }],
    ['a property less', { a: 1 }, { a: 1, b: 2 }],
    ['an item more', [1, 2], [1]],
    ['an item less', [1], [1, 2]],
    ['another beginning of a text that is shown in part', 'jwt_abcdef', 'lts_...'],
    ['no number where one counts what was claimed', { fencing_token: null }, { fencing_token: 1 }],
  ])('differs in %s', (_what, got, shown) => {
    expect(asShown(got, shown, whole)).not.toEqual(shown);
  });

  test('may leave properties out when the page says so, and no others may be missing', () => {
    const shown = { a: 1, rows: [{ b: 2 }] };
    expect(asShown({ a: 1, c: 3, rows: [{ b: 2, d: 4 }] }, shown, { inPart: true })).toEqual(shown);
    expect(asShown({ a: 1, c: 3, rows: [{ d: 4 }] }, shown, { inPart: true })).not.toEqual(shown);
  });

  test('is compared line by line when it is text', () => {
    const shown = `{\n  task_id: '${id}',\n  fencing_token: 1,\n  context: {...}\n}`;
    expect(
      textAsShown(`{\n  task_id: '${otherId}',\n  fencing_token: 9,\n  context: {a: 1}\n}\n`, shown),
    ).toBe(shown);
    expect(textAsShown(`{\n  task_id: 'none',\n  fencing_token: 1,\n  context: {}\n}`, shown)).not.toBe(
      shown,
    );
    expect(textAsShown('a\nb\nc', 'a\nb')).not.toBe('a\nb');
    expect(textAsShown('a', 'a\nb')).not.toBe('a\nb');
  });

  test('is the last printed document', () => {
    expect(lastJson('{"a":1}\n[{"b":1},\n {"b":2}]\n')).toEqual([{ b: 1 }, { b: 2 }]);
    expect(lastJson('hello\n"text"')).toBe('text');
    expect(() => lastJson('{"a":1}\nhello')).toThrow('expected output that ends with JSON');
  });
});
