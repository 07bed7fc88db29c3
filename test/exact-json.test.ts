import { describe, expect, it } from 'vitest';
import { exactNumber, isExactNumber, parseExactNumbers } from '../src/exact-json.ts';

describe('an exact number', () => {
  it.each(['0', '-1.5', '123456789', '1e+21', '5e-324'])('%s is a number of JavaScript', (source) => {
    expect(exactNumber(source)).toBe(Number(source));
  });

  it.each(['1e400', '-0', '1.10', '9007199254740993', '1e2', '0.12345678901234567890'])(
    '%s stays as it came',
    (source) => {
      const value = exactNumber(source);
      expect(isExactNumber(value)).toBe(true);
      expect(JSON.stringify({ value })).toBe(`{"value":${source}}`);
      // At each place of JSON, and whichever way the text is parsed.
      for (const text of [`{"a":${source}}`, `[${source}]`, `[1,${source} ]`, `{"a":{"b":[\n${source}]}}`])
        expect(JSON.stringify(parseExactNumbers(text))).toBe(text.replaceAll(/\s/g, ''));
    },
  );

  it('does not keep JSON from being read that nests deeper than the stack', () => {
    const deep = `${'['.repeat(100_000)}1e400${']'.repeat(100_000)}`;
    expect(Array.isArray(parseExactNumbers(deep))).toBe(true);
  });

  it('is not looked for in JSON without one', () => {
    const value = parseExactNumbers(
      '{"a":[1,-2.5,true,null,"7e5 0.10"],"id":"7e5b2f5a-31c4-4d0e-9d55-7a1c4be1d0a1"}',
    );
    expect(value).toEqual({
      a: [1, -2.5, true, null, '7e5 0.10'],
      id: '7e5b2f5a-31c4-4d0e-9d55-7a1c4be1d0a1',
    });
    expect(() => parseExactNumbers('[1e400')).toThrow(SyntaxError);
  });
});
