import { describe, expect, test } from 'vitest';
import { commandLineSettings } from '../../src/db/command-line-settings.ts';

describe('settings of a command line', () => {
  test.each([
    ['-c a=b', [['a', 'b']]],
    [
      '  -ca=b   --c-d=e=f',
      [
        ['a', 'b'],
        ['c_d', 'e=f'],
      ],
    ],
    [
      String.raw`-c search_path=a,\ b -c x=back\\slash`,
      [
        ['search_path', 'a, b'],
        ['x', String.raw`back\slash`],
      ],
    ],
    ['-c A=', [['a', '']]],
    ['', []],
  ])('%s', (options, settings) => {
    expect(commandLineSettings(options)).toEqual(settings);
  });

  test.each(['-c', '-c novalue', '-x a=b', 'a=b', '--'])('%s is not understood', (options) => {
    expect(commandLineSettings(options)).toBeUndefined();
  });
});
