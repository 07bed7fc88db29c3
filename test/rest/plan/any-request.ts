import * as fc from 'fast-check';
import type { Action, ApiRequest, LogicTree, SelectItem } from '../../../src/rest/request/query.ts';
import { field, plain, request } from './requests.ts';

// Names from the catalog of films.ts are likelier than random text, so that not every request fails at its first name.
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 });
const relation = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom('films', 'directors', 'actors', 'reviews', 'paints', 'pivots', 'categories'),
  },
  { weight: 2, arbitrary: fc.constantFrom('studios', 'similar_films', 'films_studio_id_fkey', 'parent_id') },
  { weight: 1, arbitrary: anyText },
);
const routine = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('all_films', 'clear_films') }, anyText);
const column = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('id', 'title', 'data', 'tags', 'search', 'color', 'name', '*') },
  { weight: 1, arbitrary: relation },
  { weight: 1, arbitrary: anyText },
);
const fewNames = fc.array(column, { maxLength: 2 });

function orNull<T>(arbitrary: fc.Arbitrary<T>, freq = 1): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 1, arbitrary }, { weight: freq, arbitrary: fc.constant(null) });
}

const jsonStep = fc.oneof(
  fc.record({ arrow: fc.constant('->' as const), key: anyText }),
  fc.record({ arrow: fc.constant('->>' as const), index: fc.integer() }),
);
const anyField = fc.record({ name: column, jsonPath: fc.array(jsonStep, { maxLength: 2 }) });
const aggregate = fc.constantFrom('sum', 'avg', 'max', 'min', 'count');

const { item } = fc.letrec<{ item: SelectItem }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      kind: fc.constant('field'),
      field: anyField,
      alias: orNull(anyText, 3),
      cast: orNull(fc.constant('text'), 3),
      aggregate: orNull(aggregate, 3),
      aggregateCast: orNull(fc.constant('text'), 3),
    }),
    fc.record({
      kind: fc.constant('relation'),
      relation,
      alias: orNull(fc.oneof(relation, anyText), 3),
      hint: orNull(relation, 6),
      join: orNull(fc.constantFrom('inner', 'left')),
      spread: fc.boolean(),
      select: fc.array(tie('item'), { maxLength: 3 }),
    }),
  ),
}));

const expression = fc.record({
  negated: fc.boolean(),
  operation: fc.oneof(
    fc.record({ kind: fc.constant('is'), value: fc.constantFrom('null', 'not_null', 'unknown') }),
    fc.record({ kind: fc.constant('in'), values: fc.array(fc.string()) }),
    fc.record({
      kind: fc.constant('quantified'),
      operator: fc.constantFrom('eq', 'like'),
      quantifier: orNull(fc.constantFrom('any', 'all'), 3),
      value: fc.oneof(fc.string(), fc.record({ placeholder: fc.nat() })),
    }),
    fc.record({
      kind: fc.constant('fts'),
      operator: fc.constant('fts'),
      language: orNull(anyText),
      value: fc.string(),
    }),
  ),
});
const condition = fc.record({ field: anyField, expression });

function treeOf<T>(leaf: fc.Arbitrary<T>): fc.Arbitrary<LogicTree<T>> {
  return fc.letrec<{ tree: LogicTree<T> }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.record({ kind: fc.constant('leaf'), leaf }),
      fc.record({
        kind: fc.constant('group'),
        negated: fc.boolean(),
        operator: fc.constantFrom('and', 'or'),
        members: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
      }),
    ),
  })).tree;
}

function atPath<T>(value: fc.Arbitrary<T>) {
  const path = fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, fc.array(relation, { maxLength: 2 }));
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    fc.array(fc.record({ path, value }), { maxLength: 2 }),
  );
}

const range = fc.record({ offset: fc.nat(), limit: orNull(fc.nat()) });
const term = fc.record({
  relation: orNull(relation, 4),
  field: anyField,
  direction: orNull(fc.constantFrom('asc', 'desc')),
  nulls: orNull(fc.constantFrom('nullsfirst', 'nullslast')),
});
const media = fc.oneof(
  fc.constantFrom(plain('*/*'), plain('text/csv'), plain('text/html'), plain('application/json')),
  fc.record({ kind: fc.constant('object'), stripNulls: fc.boolean() }),
  fc.record({ kind: fc.constant('plain'), name: fc.string() }),
);

const schema = fc.oneof({ weight: 9, arbitrary: fc.constant('api') }, fc.constant('other'));
const headersOnly = fc.boolean();
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('read'), schema, name: relation, headersOnly }),
  fc.record({
    kind: fc.constant('mutate'),
    schema,
    name: relation,
    mutation: fc.constantFrom('insert', 'update', 'upsert-one', 'delete'),
  }),
  fc.record({
    kind: fc.constant('call'),
    schema,
    name: routine,
    method: fc.constantFrom('get', 'head', 'post'),
  }),
  fc.record({ kind: fc.constant('relation-options'), schema, name: relation }),
  fc.record({ kind: fc.constant('routine-options'), schema, name: routine }),
  fc.record({ kind: fc.constant('describe'), schema, headersOnly }),
  fc.record({ kind: fc.constant('root-options') }),
);

const payload = orNull(
  fc.oneof(
    fc.record({ kind: fc.constant('json'), text: fc.string(), keys: fewNames }),
    fc.record({ kind: fc.constant('form'), pairs: fc.array(fc.tuple(column, fc.string())), keys: fewNames }),
    fc.record({
      kind: fc.constant('raw'),
      bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    }),
  ),
);

const query = fc.record({
  select: fc.array(item, { maxLength: 3 }),
  filters: atPath(condition),
  logic: atPath(treeOf(condition)),
  order: atPath(fc.array(term, { maxLength: 2 })),
  ranges: atPath(range),
  having: atPath(treeOf(fc.record({ field: anyField, aggregate, expression }))),
  distinct: orNull(
    fc.constantFrom({ kind: 'rows' } as const, { kind: 'on', fields: [field('title')] } as const),
    8,
  ),
  after: orNull(fc.string(), 8),
  parameters: fc.oneof(fc.constant([]), fc.array(fc.tuple(column, fc.string()), { maxLength: 2 })),
  onConflict: orNull(fewNames),
  filterNames: fewNames,
});

/** A request that the parser could produce, and some that it could not. */
export const anyRequest: fc.Arbitrary<ApiRequest> = fc
  .record({
    action,
    query,
    preferences: fc.record({
      resolution: orNull(fc.constantFrom('merge-duplicates', 'ignore-duplicates')),
      representation: orNull(fc.constantFrom('full', 'headers-only', 'minimal')),
      handling: orNull(fc.constantFrom('strict', 'lenient')),
      maxAffected: orNull(fc.nat(), 4),
    }),
    columns: fc.oneof(fc.constant([]), fewNames),
    payload,
    topRange: fc.oneof(fc.constant({ offset: 0, limit: null }), range),
    accept: fc.array(media, { minLength: 1, maxLength: 3 }),
    contentType: media,
  })
  .map(({ action: what, ...said }) => request(what, said));
