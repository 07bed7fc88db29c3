import { delimiter, field } from './field-grammar.ts';
import { logicGroup } from './logic-grammar.ts';
import { innerValue, operatorExpression, wholeValue } from './operator-grammar.ts';
import type { Parser } from './parser.ts';
import { as, attempt, first, choice, map, separated1, sequence } from './parser.ts';
import { char, end, spaced, word } from './text-parsers.ts';
import type { AggregateFunction, Distinct, Field, HavingFilter, LogicTree } from './query.ts';
import { aggregateFunction } from './select-grammar.ts';

// Our own parameters, `distinct=` and `having=`. They must be read to their end.

const aggregateCall: Parser<{ readonly field: Field; readonly aggregate: AggregateFunction }> = choice(
  as(attempt(word('count()')), { field: { name: '*', jsonPath: [] }, aggregate: 'count' } as const),
  map(sequence(field, char('.'), aggregateFunction, word('()')), ([of, , aggregate]) => ({
    field: of,
    aggregate,
  })),
);

function aggregateCondition(value: Parser<string>): Parser<LogicTree<HavingFilter>> {
  return map(
    sequence(aggregateCall, delimiter, operatorExpression(value)),
    ([call, , expression]): LogicTree<HavingFilter> => ({ kind: 'leaf', leaf: { ...call, expression } }),
  );
}

const innerCondition = aggregateCondition(innerValue);

const group: Parser<LogicTree<HavingFilter>> = logicGroup(() => choice(attempt(innerCondition), group));

/** `count().gt.5`, or `and(amount.sum().gt.100,count().lt.3)`. */
export const havingTree: Parser<LogicTree<HavingFilter>> = first(
  choice(attempt(aggregateCondition(wholeValue)), group),
  end,
);

/** `true` for whole rows, or the columns. */
export const distinctRows: Parser<Distinct> = choice(
  as(attempt(sequence(word('true'), end)), { kind: 'rows' } as const),
  map(first(separated1(spaced(field), char(',')), end), (fields) => ({ kind: 'on', fields }) as const),
);
