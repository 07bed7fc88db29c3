import { delimiter, field, fieldName } from './field-grammar.ts';
import type { Parser } from './parser.ts';
import {
  as,
  attempt,
  first,
  choice,
  lookAhead,
  map,
  optional,
  separated1,
  sequence,
  second,
} from './parser.ts';
import { bracketed, char, end, shortcut, spaced, word } from './text-parsers.ts';
import type { OrderDirection, OrderNulls, OrderTerm } from './query.ts';

// `order=` (PostgREST, Tables and Views, Ordering; Resource Embedding, Top-level Ordering).

const direction: Parser<OrderDirection | null> = optional(
  choice(
    as(attempt(second(delimiter, word('asc'))), 'asc'),
    as(attempt(second(delimiter, word('desc'))), 'desc'),
  ),
);

const nulls: Parser<OrderNulls | null> = optional(
  choice(
    as(attempt(second(delimiter, word('nullsfirst'))), 'nullsfirst'),
    as(attempt(second(delimiter, word('nullslast'))), 'nullslast'),
  ),
);

const termEnd = choice(attempt(lookAhead(char(','))), attempt(end));

const nullsToEnd: Parser<OrderNulls | null> = choice(first(nulls, termEnd), as(termEnd, null));

const relationTerm: Parser<OrderTerm> = map(
  sequence(fieldName, bracketed(field), direction, nullsToEnd),
  ([relation, of, way, nullsWay]) => ({ relation, field: of, direction: way, nulls: nullsWay }),
);

const columnTerm: Parser<OrderTerm> = map(sequence(field, direction, nullsToEnd), ([of, way, nullsWay]) => ({
  relation: null,
  field: of,
  direction: way,
  nulls: nullsWay,
}));

const plainTerm = /([A-Za-z0-9_]+)(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?(?=,|$)/y;

/** The terms of `order=`, at least one. */
export const orderTerms: Parser<readonly OrderTerm[]> = separated1(
  shortcut<OrderTerm>(
    plainTerm,
    ([, name, way, nullsWay]) => ({
      relation: null,
      field: { name: name ?? '', jsonPath: [] },
      direction: way === 'asc' || way === 'desc' ? way : null,
      nulls: nullsWay === 'nullsfirst' || nullsWay === 'nullslast' ? nullsWay : null,
    }),
    spaced(choice(attempt(relationTerm), columnTerm)),
  ),
  char(','),
);
