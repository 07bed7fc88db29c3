import { describe, expect, it } from 'vitest';
import { csvRecords } from '../../src/import/csv-records.ts';

describe('records of CSV', () => {
  it.each([
    [
      'a,b\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'a,b\r\n\r\nc,\r\n',
      [
        ['a', 'b'],
        ['c', ''],
      ],
    ],
    [
      '"a,1","b ""c"" d"\n"two\nlines",',
      [
        ['a,1', 'b "c" d'],
        ['two\nlines', ''],
      ],
    ],
    [',', [['', '']]],
    ['""', [['']]],
    ['', []],
    ['a"b,c', [['a"b', 'c']]],
  ])('of %j', (text, records) => {
    expect([...csvRecords(text)].map(({ fields }) => fields)).toEqual(records);
  });

  it('have the text of the file, and say when a quotation mark is not closed', () => {
    expect([...csvRecords('a,"b ""c"""\r\nd,"e\nf')]).toEqual([
      { fields: ['a', 'b "c"'], quoted: [false, true], text: 'a,"b ""c"""' },
      {
        fields: ['d', 'e\nf'],
        quoted: [false, true],
        text: 'd,"e\nf',
        fault: 'a quotation mark is not closed',
      },
    ]);
  });
});
