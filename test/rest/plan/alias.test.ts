import { expect, test } from 'vitest';
import { aliasGiver } from '../../../src/rest/plan/alias.ts';

test('an alias that fits stays as it is', () => {
  const giveAlias = aliasGiver();
  expect(giveAlias('films_1')).toBe('films_1');
  expect(giveAlias('x'.repeat(63))).toBe('x'.repeat(63));
});

test('aliases that Postgres would cut to the same text stay different', () => {
  const giveAlias = aliasGiver();
  const name = 'n'.repeat(63);
  const [first, second] = [giveAlias(`${name}_1`), giveAlias(`${name}_2`)];
  expect(first).not.toBe(second);
  expect([first, second].map((alias) => alias.length)).toEqual([63, 63]);
});

test('a character is never cut in half', () => {
  const alias = aliasGiver()(`${'é'.repeat(40)}_1`);
  expect(alias).toBe(`${'é'.repeat(30)}_1`);
  expect(Buffer.byteLength(alias)).toBeLessThanOrEqual(63);
});
