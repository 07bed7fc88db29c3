import { expect, it } from 'vitest';
import { isDeeper, membersOf } from '../../src/import/json-members.ts';

it('members keep their names, their order and every digit', () => {
  const text = String.raw` { "a" : 1.0 ,"b\u0041\"":"x,\"}\\" , "c":{"d":[1,{"e":"]}"}]},"f":[ ],"g":null, "h":12345678901234567890}
`;
  expect(membersOf(text)).toEqual([
    { name: 'a', json: '1.0' },
    { name: 'bA"', json: String.raw`"x,\"}\\"` },
    { name: 'c', json: '{"d":[1,{"e":"]}"}]}' },
    { name: 'f', json: '[ ]' },
    { name: 'g', json: 'null' },
    { name: 'h', json: '12345678901234567890' },
  ]);
  expect(membersOf('{}')).toEqual([]);
});

it('depth counts arrays and objects, and not what stands in strings', () => {
  expect([isDeeper('[[["[["]]]', 3), isDeeper('[[["[["]]]', 2), isDeeper('"[[["', 0)]).toEqual([
    false,
    true,
    false,
  ]);
  expect([isDeeper('[[]]', 2), isDeeper('[[]]', 1)]).toEqual([false, true]);
});
