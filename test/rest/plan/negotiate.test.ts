import { describe, expect, test } from 'vitest';
import type { MediaType } from '../../../src/rest/request/media-type.ts';
import type { ResolvedMediaHandler } from '../../../src/schema-cache/media-handler.ts';
import { mediaHandlerKey } from '../../../src/schema-cache/schema-cache.ts';
import { api, catalog, column, routine, table } from './catalog.ts';
import { call, embed, get, plain, planOf, refusalOf, request, select, write } from './requests.ts';

function custom(name: string, target: string | null, mediaType: string): ResolvedMediaHandler {
  return {
    handler: {
      kind: 'custom',
      function: api(name),
      target: target === null ? null : api(target),
      bytes: false,
    },
    mediaType,
  };
}

const cache = catalog({
  tables: [table('films', [column('title')]), table('maps')],
  routines: [routine('make_image', [], { volatility: 'stable' })],
  handlers: [
    [mediaHandlerKey(api('maps'), 'text/csv'), custom('maps_csv', 'maps', 'text/csv')],
    [mediaHandlerKey(api('films'), '*/*'), custom('any_film', 'films', 'application/octet-stream')],
    [mediaHandlerKey(null, 'application/x-rows'), custom('rows', null, 'application/x-rows')],
    [mediaHandlerKey(api('make_image'), 'image/png'), custom('image/png', 'make_image', 'image/png')],
  ],
});

const contentOf = (name: string, accept: readonly MediaType[], planEnabled = true) => {
  const { handler, mediaType } = planOf('read', get(name, { accept }), cache, { planEnabled });
  return { handler, mediaType };
};

describe('the media type of an answer', () => {
  test('is the first accepted one that has a handler', () => {
    expect(contentOf('maps', [plain('image/png'), plain('application/json'), plain('text/csv')])).toEqual({
      handler: { kind: 'json' },
      mediaType: plain('application/json'),
    });
    expect(contentOf('maps', [plain('*/*')]).mediaType).toEqual(plain('application/json'));
    expect(contentOf('maps', [plain('application/x-rows')]).handler).toMatchObject({
      function: api('rows'),
      target: null,
    });
  });

  test("is made by the relation's own handler first, and by its handler for any type before that", () => {
    expect(contentOf('maps', [plain('text/csv')]).handler).toMatchObject({ function: api('maps_csv') });
    expect(contentOf('films', [plain('text/csv')])).toEqual({
      handler: { kind: 'custom', function: api('any_film'), target: api('films'), bytes: false },
      mediaType: plain('application/octet-stream'),
    });
  });

  test.each([
    ['columns', [select('title')]],
    ['an aggregate', [select('*', { aggregate: 'count' })]],
    ['an embed', [select('*'), select('title')]],
  ] as const)('is not made by a handler for whole rows where %s are selected', (_, items) => {
    const asked = get('films', { accept: [plain('text/csv')], query: { select: items } });
    expect(planOf('read', asked, cache).handler).toEqual({ kind: 'csv' });
  });

  test('is one object, or an array without nulls, when the vendor types ask for it', () => {
    expect(contentOf('films', [{ kind: 'object', stripNulls: true }]).handler).toEqual({
      kind: 'json-object',
      stripNulls: true,
    });
    expect(contentOf('films', [{ kind: 'array-nulls-stripped' }]).handler).toEqual({
      kind: 'json-nulls-stripped',
    });
  });

  const explained: MediaType = {
    kind: 'plan',
    of: { kind: 'plain', name: 'text/csv' },
    format: 'json',
    options: ['analyze', 'buffers'],
  };

  test('is the plan of another type where plans are shown', () => {
    expect(contentOf('maps', [explained])).toMatchObject({
      handler: { function: api('maps_csv') },
      mediaType: explained,
    });
    expect(refusalOf(get('maps', { accept: [explained] }), cache, { planEnabled: false })).toMatchObject({
      code: 'PGRST107',
      message:
        'None of these media types are available: ' +
        'application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|buffers',
    });
    expect(contentOf('maps', [explained, plain('*/*')], false).mediaType).toEqual(plain('application/json'));
  });

  test('is refused without a handler, with the list of accepted types', () => {
    const accept: MediaType[] = [
      plain('image/gif'),
      { kind: 'plan', of: { kind: 'plain', name: 'a/b' }, format: 'text', options: [] },
    ];
    expect(refusalOf(get('maps', { accept }), cache)).toEqual({
      code: 'PGRST107',
      message:
        'None of these media types are available: image/gif, application/vnd.pgrst.plan+text; for="a/b"',
      details: null,
      hint: null,
    });
  });

  test('is found for a function by its own name', () => {
    const asked = call('get', 'make_image', { accept: [plain('image/png')] });
    expect(planOf('call', asked, cache)).toMatchObject({
      handler: { kind: 'custom', function: api('image/png') },
      mediaType: plain('image/png'),
    });
  });
});

describe('the body is left out', () => {
  test('by HEAD', () => {
    const asked = request({ kind: 'read', schema: 'api', name: 'maps', headersOnly: true });
    expect(planOf('read', asked, cache)).toMatchObject({
      handler: { kind: 'none' },
      mediaType: plain('application/json'),
    });
    expect(planOf('call', call('head', 'make_image'), cache).handler).toEqual({ kind: 'none' });
  });

  test('for a write unless its rows are asked for', () => {
    expect(planOf('mutate', write('delete', 'maps'), cache).handler).toEqual({ kind: 'none' });
    const full = write('delete', 'maps', { preferences: { representation: 'full' } });
    expect(planOf('mutate', full, cache).handler).toEqual({ kind: 'json' });
  });
});

test('an embed does not count as whole rows', () => {
  expect(
    refusalOf(get('films', { accept: [plain('a/b')], query: { select: [select('*'), embed('x')] } }), cache)
      .code,
  ).toBe('PGRST200');
});
