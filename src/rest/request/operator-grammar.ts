import { delimiter, identifier, quotedValue } from './field-grammar.ts';
import type { Parser } from './parser.ts';
import {
  as,
  attempt,
  first,
  choice,
  label,
  map,
  optional,
  pure,
  separated1,
  sequence,
  second,
} from './parser.ts';
import {
  bracketed,
  char,
  character,
  noneOf,
  notFollowedBy,
  remainder,
  run,
  spaced,
  word,
  wordInAnyCase,
} from './text-parsers.ts';
import { ftsOperators, quantifiedOperators, simpleOperators } from './query.ts';
import type {
  FtsOperator,
  IsValue,
  Operation,
  OperatorExpression,
  QuantifiedOperator,
  SimpleOperator,
} from './query.ts';

// Operators and their values (PostgREST, Tables and Views, Operators; Operator Modifiers).

const endsElement = notFollowedBy(character(noneOf(',)')));

const unquotedElement = run(noneOf(',)'));

/** `{1,2}`: the commas belong to the array. */
const arrayLiteral = map(sequence(word('{'), run(noneOf('{}')), word('}')), (parts) => parts.join(''));

/** The value of a filter that is its own parameter: everything up to the end. */
export const wholeValue: Parser<string> = remainder;

/** The value of a filter inside `and(...)`: quoted, an array, or everything up to the next comma or bracket. */
export const innerValue: Parser<string> = choice(
  attempt(first(quotedValue, endsElement)),
  attempt(arrayLiteral),
  unquotedElement,
);

const list: Parser<readonly string[]> = map(
  sequence(
    spaced(char('(')),
    separated1(choice(attempt(first(quotedValue, endsElement)), unquotedElement), char(',')),
    spaced(char(')')),
  ),
  ([, elements]) => elements,
);

const isValue: Parser<IsValue> = label(
  choice(
    ...(['null', 'not_null', 'true', 'false', 'unknown'] as const).map((value) =>
      as(attempt(wordInAnyCase(value)), value),
    ),
  ),
  'isVal: (null, not_null, true, false, unknown)',
);

const simpleOperator: Parser<SimpleOperator> = oneOf(simpleOperators);
const quantifiedOperator: Parser<QuantifiedOperator> = oneOf(quantifiedOperators);
const ftsOperator: Parser<FtsOperator> = oneOf(ftsOperators);

const quantifier = optional(
  attempt(bracketed(choice(as(attempt(word('any')), 'any' as const), as(word('all'), 'all')))),
);

/** An operator, perhaps after `not.`, and its value, which `value` reads. */
export function operatorExpression(value: Parser<string>): Parser<OperatorExpression> {
  const operation: Parser<Operation> = label(
    choice(
      map(second(attempt(sequence(word('in'), delimiter)), list), (values): Operation => ({
        kind: 'in',
        values,
      })),
      map(second(attempt(sequence(word('is'), delimiter)), isValue), (is): Operation => ({
        kind: 'is',
        value: is,
      })),
      map(second(attempt(sequence(word('isdistinct'), delimiter)), value), (text): Operation => ({
        kind: 'isdistinct',
        value: text,
      })),
      attempt(
        map(
          sequence(ftsOperator, optional(attempt(bracketed(identifier))), delimiter, value),
          ([operator, language, , text]): Operation => ({ kind: 'fts', operator, language, value: text }),
        ),
      ),
      attempt(
        map(sequence(simpleOperator, delimiter, value), ([operator, , text]): Operation => ({
          kind: 'simple',
          operator,
          value: text,
        })),
      ),
      attempt(
        map(
          sequence(quantifiedOperator, quantifier, delimiter, value),
          ([operator, quantified, , text]): Operation => ({
            kind: 'quantified',
            operator,
            quantifier: quantified,
            value: text,
          }),
        ),
      ),
    ),
    'operator (eq, gt, ...)',
  );
  return map(sequence(negation, operation), ([negated, of]) => ({ negated, operation: of }));
}

/** An optional `not.`. */
export const negation: Parser<boolean> = choice(
  as(attempt(sequence(word('not'), delimiter)), true),
  pure(false),
);

/** One of the words. Of two that begin alike, the longer one is tried first. */
function oneOf<T extends string>(words: readonly T[]): Parser<T> {
  const longestFirst = words.toSorted((a, b) => b.length - a.length);
  return choice(...longestFirst.map((each) => as(attempt(word(each)), each)));
}
