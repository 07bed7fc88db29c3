import { describe, expect, test } from 'vitest';
import type { MediaType } from '../../../src/rest/request/media-type.ts';
import { mediaTypeName } from '../../../src/rest/request/media-type.ts';
import { parseAccept, parseMediaType } from '../../../src/rest/request/parse-media-type.ts';

function plain(name: string): Extract<MediaType, { kind: 'plain' }> {
  return { kind: 'plain', name };
}

const cases: readonly (readonly [text: string, mediaType: MediaType, shown: string])[] = [
  ['application/json', plain('application/json'), 'application/json'],
  ['Application/JSON; charset=utf-8', plain('application/json'), 'application/json'],
  ['text/csv', plain('text/csv'), 'text/csv'],
  ['*/*', plain('*/*'), '*/*'],
  ['application/vnd.twkb', plain('application/vnd.twkb'), 'application/vnd.twkb'],
  ['image/png;x=1', plain('image/png;x=1'), 'image/png;x=1'],
  ['nonsense', plain('nonsense'), 'nonsense'],
  [
    'application/vnd.pgrst.object+json',
    { kind: 'object', stripNulls: false },
    'application/vnd.pgrst.object+json',
  ],
  [
    'ApplicatIon/vnd.PgRsT.object',
    { kind: 'object', stripNulls: false },
    'application/vnd.pgrst.object+json',
  ],
  [
    'application/vnd.pgrst.object+json; nulls=stripped',
    { kind: 'object', stripNulls: true },
    'application/vnd.pgrst.object+json;nulls=stripped',
  ],
  [
    'application/vnd.pgrst.array+json;nulls=stripped',
    { kind: 'array-nulls-stripped' },
    'application/vnd.pgrst.array+json;nulls=stripped',
  ],
  ['application/vnd.pgrst.array+json', plain('application/json'), 'application/json'],
  [
    'application/vnd.pgrst.plan;',
    { kind: 'plan', of: plain('application/json'), format: 'text', options: [] },
    'application/vnd.pgrst.plan+text; for="application/json"',
  ],
  [
    'application/vnd.pgrst.plan+json; FOR="text/csv"; options=wal|nonsense|analyze',
    { kind: 'plan', of: plain('text/csv'), format: 'json', options: ['analyze', 'wal'] },
    'application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|wal',
  ],
  [
    'application/vnd.pgrst.plan ; for="application/vnd.pgrst.object+json;nulls=stripped" ; options=verbose|settings|buffers',
    {
      kind: 'plan',
      of: { kind: 'object', stripNulls: true },
      format: 'text',
      options: ['verbose', 'settings', 'buffers'],
    },
    'application/vnd.pgrst.plan+text; for="application/vnd.pgrst.object+json;nulls=stripped"; options=verbose|settings|buffers',
  ],
];

describe('a media type', () => {
  test.each(cases)('%s', (text, mediaType, shown) => {
    expect(parseMediaType(text)).toEqual(mediaType);
    expect(mediaTypeName(mediaType)).toBe(shown);
  });

  test('for the plan of a plan does not have a handler', () => {
    expect(parseMediaType('application/vnd.pgrst.plan;for="application/vnd.pgrst.plan"')).toMatchObject({
      of: plain('application/vnd.pgrst.plan+text'),
    });
  });
});

describe('Accept', () => {
  test.each<[header: string | undefined, names: readonly string[]]>([
    [undefined, ['*/*']],
    ['', []],
    ['text/csv, application/json', ['text/csv', 'application/json']],
    ['text/csv;q=0.5, application/json', ['application/json', 'text/csv']],
    ['*/*, text/csv', ['text/csv', '*/*']],
    ['text/csv, */*; q=0.01', ['text/csv', '*/*']],
    [
      'text/html,application/xhtml+xml,application/xml;q=0.9,image/png,*/*;q=0.8',
      ['text/html', 'application/xhtml+xml', 'image/png', 'application/xml', '*/*'],
    ],
    ['text/csv;q=nonsense, application/json;q=0.9', ['text/csv', 'application/json']],
  ])('%s', (header, names) => {
    expect(parseAccept(header).map(mediaTypeName)).toEqual(names);
  });

  test('prefers a type with more parameters', () => {
    expect(parseAccept('application/json, application/vnd.pgrst.object+json;nulls=stripped')[0]).toEqual({
      kind: 'object',
      stripNulls: true,
    });
  });
});
