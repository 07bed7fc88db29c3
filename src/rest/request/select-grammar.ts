import { alias, field, fieldName, identifier } from './field-grammar.ts';
import type { Parser } from './parser.ts';
import {
  as,
  attempt,
  choice,
  lookAhead,
  map,
  nested,
  only,
  optional,
  separated,
  sequence,
  second,
} from './parser.ts';
import { bracketed, char, end, shortcut, spaced, word } from './text-parsers.ts';
import type { AggregateFunction, JoinType, SelectField, SelectItem, SelectRelation } from './query.ts';

// `select=` (PostgREST, Tables and Views, Vertical Filtering; Resource Embedding; Aggregate Functions).

const itemEnd = choice(attempt(lookAhead(word(')'))), attempt(lookAhead(word(','))), attempt(end));

const cast: Parser<string | null> = optional(second(word('::'), identifier));

/** `sum`, `avg`, `count`, `max` or `min`. */
export const aggregateFunction: Parser<AggregateFunction> = choice(
  as(word('sum'), 'sum'),
  as(word('avg'), 'avg'),
  as(word('count'), 'count'),
  as(attempt(word('max')), 'max'),
  as(attempt(word('min')), 'min'),
);

const everything: Parser<SelectField> = map(sequence(word('*'), itemEnd), () => selectField({}));

const countOfRows: Parser<SelectField> = map(
  sequence(alias, word('count()'), cast, itemEnd),
  ([name, , aggregateCast]) => selectField({ alias: name, aggregate: 'count', aggregateCast }),
);

const column: Parser<SelectField> = map(
  sequence(
    alias,
    field,
    cast,
    optional(attempt(map(sequence(char('.'), aggregateFunction, word('()')), ([, aggregate]) => aggregate))),
    cast,
    itemEnd,
  ),
  ([name, of, fieldCast, aggregate, aggregateCast]) =>
    selectField({ field: of, alias: name, cast: fieldCast, aggregate, aggregateCast }),
);

const selectColumn: Parser<SelectItem> = spaced(choice(attempt(everything), attempt(countOfRows), column));

/** A name or a star by itself. */
const plainColumn = /(?:[A-Za-z0-9_]+|\*)(?=[,)])/y;

/** The beginning of an embed, `alias:relation!inner`, up to its bracket. `count()` is the aggregate. */
const plainRelation = /(?:([A-Za-z0-9_]+):)?(?!count\()([A-Za-z0-9_]+)(?:!(inner|left))?(?=\()/y;

type EmbedParameter = { readonly join: JoinType } | { readonly hint: string };

const embedParameter: Parser<EmbedParameter> = second(
  char('!'),
  choice(
    as(attempt(word('left')), { join: 'left' } as const),
    as(attempt(word('inner')), { join: 'inner' } as const),
    attempt(map(fieldName, (hint) => ({ hint }))),
  ),
);

/** Up to two parameters, in either order; of two hints or two joins, the first counts. */
const embedParameters = map(sequence(optional(embedParameter), optional(embedParameter)), (parameters) => {
  let hint: string | null = null;
  let join: JoinType | null = null;
  for (const parameter of parameters) {
    if (parameter === null) continue;
    if ('hint' in parameter) hint ??= parameter.hint;
    else join ??= parameter.join;
  }
  return { hint, join };
});

type RelationHead = Pick<SelectRelation, 'relation' | 'alias' | 'hint' | 'join'>;

const opening = attempt(lookAhead(word('(')));

const spreadHead = spaced(
  map(sequence(word('...'), fieldName, embedParameters, opening), ([, relation, parameters]) => ({
    relation,
    alias: null,
    ...parameters,
  })),
);

const relationHead = shortcut<RelationHead>(
  plainRelation,
  ([, name, relation, join]) => ({
    relation: relation ?? '',
    alias: name ?? null,
    hint: null,
    join: join === 'inner' || join === 'left' ? join : null,
  }),
  spaced(
    map(
      sequence(
        alias,
        only(fieldName, (name) => name !== 'count'),
        embedParameters,
        opening,
      ),
      ([name, relation, parameters]) => ({ relation, alias: name, ...parameters }),
    ),
  ),
);

const item: Parser<SelectItem> = choice(
  map(sequence(attempt(spreadHead), bracketed(nested(() => selectItems))), ([head, select]) =>
    selectRelation({ ...head, spread: true, select }),
  ),
  map(sequence(attempt(relationHead), bracketed(nested(() => selectItems))), ([head, select]) =>
    selectRelation({ ...head, spread: false, select }),
  ),
  selectColumn,
);

/** The items of `select=`; an empty text has none. */
export const selectItems: Parser<readonly SelectItem[]> = separated(
  shortcut<SelectItem>(plainColumn, ([name]) => selectField({ field: { name, jsonPath: [] } }), item),
  spaced(char(',')),
);

function selectField(parts: Partial<SelectField>): SelectField {
  return {
    kind: 'field',
    field: { name: '*', jsonPath: [] },
    alias: null,
    cast: null,
    aggregate: null,
    aggregateCast: null,
    ...parts,
  };
}

function selectRelation(parts: Omit<SelectRelation, 'kind'>): SelectItem {
  return { kind: 'relation', ...parts };
}
