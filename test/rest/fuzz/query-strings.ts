import * as fc from 'fast-check';
import { ftsOperators, quantifiedOperators, simpleOperators } from '../../../src/rest/request/query.ts';
import { nested } from './known-names.ts';
import type { Names } from './known-names.ts';
import { asQuery, marked, maybe, name, value } from './texts.ts';

/** A parameter of a query string, or a header. */
export type Parameter = readonly [key: string, value: string];

/** Up to four parameters about a relation with these names, percent-encoded. */
export function queryString({ columns, embeds }: Names): fc.Arbitrary<string> {
  const field = fc.tuple(name(columns), maybe(jsonPath, 8)).map(([column, path]) => column + path);
  const selectField = (of: fc.Arbitrary<string>) =>
    fc
      .tuple(
        maybe(name(['alias', 'a b', 'id']).map((alias) => `${alias}:`)),
        of,
        maybe(
          fc.constantFrom(...casts).map((cast) => `::${cast}`),
          8,
        ),
        maybe(fc.constantFrom('.sum()', '.avg()', '.max()', '.min()', '.count()', '.median()'), 10),
        maybe(
          fc.constantFrom(...casts).map((cast) => `::${cast}`),
          20,
        ),
      )
      .map((parts) => parts.join(''));
  const { select } = fc.letrec<{ select: string; deeper: string; item: string }>((tie) => ({
    select: fc
      .array(fc.oneof({ weight: 2, arbitrary: selectField(field) }, embed(embeds, tie('deeper'))), {
        maxLength: 3,
      })
      .map((items) => items.join(',')),
    deeper: fc.array(tie('item'), { maxLength: 2 }).map((items) => items.join(',')),
    item: fc.oneof(
      { maxDepth: 2, depthIdentifier: 'select' },
      selectField(name(nested.columns)),
      embed(nested.embeds, tie('deeper')),
    ),
  }));
  const { logic } = fc.letrec<{ logic: string; member: string }>((tie) => ({
    logic: fc.array(tie('member'), { minLength: 1, maxLength: 3 }).map((members) => `(${members.join(',')})`),
    member: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'logic' },
      { weight: 3, arbitrary: fc.tuple(field, expression).map(([of, condition]) => `${of}.${condition}`) },
      fc
        .tuple(maybe(fc.constant('not.')), fc.constantFrom('and', 'or'), tie('logic'))
        .map((parts) => parts.join('')),
    ),
  }));
  const path = maybe(
    name(embeds).map((of) => `${of}.`),
    8,
  );
  const orderTerm = fc
    .tuple(
      fc.oneof(
        { weight: 6, arbitrary: field },
        fc.tuple(name(embeds), name(nested.columns)).map(([of, by]) => `${of}(${by})`),
      ),
      maybe(fc.constantFrom('.asc', '.desc', '.desc', '.down'), 1),
      maybe(fc.constantFrom('.nullsfirst', '.nullslast', '.nulls')),
    )
    .map((parts) => parts.join(''));
  const list = (of: fc.Arbitrary<string>) => fc.array(of, { maxLength: 3 }).map((all) => all.join(','));
  const parameter: fc.Arbitrary<Parameter> = fc.oneof(
    { weight: 6, arbitrary: select.map((items): Parameter => ['select', items]) },
    {
      weight: 6,
      arbitrary: fc.tuple(path, field, expression).map(([of, by, how]): Parameter => [of + by, how]),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(path, fc.constantFrom('or', 'and', 'not.or', 'not.and'), logic)
        .map(([of, op, tree]): Parameter => [of + op, tree]),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(path, list(orderTerm)).map(([of, terms]): Parameter => [`${of}order`, terms]),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(path, fc.constantFrom('limit', 'offset'), whole)
        .map(([of, which, n]): Parameter => [of + which, n]),
    },
    { weight: 1, arbitrary: list(name(columns)).map((of): Parameter => ['columns', of]) },
    { weight: 1, arbitrary: list(name(columns)).map((of): Parameter => ['on_conflict', of]) },
    {
      weight: 1,
      arbitrary: fc.oneof(fc.constant('true'), list(field)).map((of): Parameter => ['distinct', of]),
    },
    {
      weight: 1,
      arbitrary: fc
        .oneof(
          aggregateCondition,
          list(aggregateCondition).map((all) => `and(${all})`),
        )
        .map((of): Parameter => ['having', of]),
    },
    { weight: 1, arbitrary: cursor.map((of): Parameter => ['after', of]) },
    { weight: 1, arbitrary: fc.tuple(marked, marked) },
  );
  return fc.array(parameter, { maxLength: 4 }).map(asQuery);
}

function embed(known: readonly string[], inner: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.constantFrom('', '', '', '...', 'x:', 'films:'),
      name(known),
      maybe(fc.constantFrom('!inner', '!left', '!origin', '!film_id', '!nothing')),
      inner,
    )
    .map(([prefix, of, hint, select]) => `${prefix}${of}${hint}(${select})`);
}

const casts = ['text', 'int', 'numeric', 'jsonb', 'nothing', 'double precision', 'text[]'];
const operators = [
  ...quantifiedOperators,
  ...simpleOperators,
  ...ftsOperators,
  'in',
  'is',
  'isdistinct',
  'eq(any)',
  'like(all)',
  'fts(english)',
  'wfts(nothing)',
  'between',
];
const conditions = [
  'eq.1',
  'gt.0',
  'lte.1985',
  'neq.x',
  'is.null',
  'not.is.null',
  'in.(1,2,3)',
  'not.in.(a)',
  'like.*a*',
  'ilike(any).{*a*,R*}',
  'isdistinct.1',
  'eq(any).{1,2}',
  'match.^R',
];

const jsonPath = fc
  .array(
    fc.tuple(
      fc.constantFrom('->', '->>'),
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'runtime', 'crew', '0', '-1', 'x') },
        marked,
      ),
    ),
    { minLength: 1, maxLength: 2 },
  )
  .map((steps) => steps.flat().join(''));

const expression = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...conditions) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        maybe(fc.constant('not.')),
        fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...operators) }, marked),
        value,
      )
      .map(([not, operator, of]) => `${not}${operator}.${of}`),
  },
);

const whole = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('0', '1', '2', '5') },
  fc.constantFrom('-1', '1e3', '99999999999999999999', ''),
  marked,
);
const aggregateCondition = fc
  .tuple(fc.constantFrom('count()', 'id.sum()', 'rating.avg()', 'title.max()', 'id.nothing()'), expression)
  .map(([aggregate, condition]) => `${aggregate}.${condition}`);
const cursor = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  fc.base64String(),
  marked,
  fc
    .array(fc.oneof(fc.constantFrom<unknown>(null, '1', 1), marked), { maxLength: 2 })
    .map((values) => Buffer.from(JSON.stringify(values)).toString('base64url')),
);
