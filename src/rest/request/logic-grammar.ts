import { delimiter, field } from './field-grammar.ts';
import { innerValue, negation, operatorExpression } from './operator-grammar.ts';
import type { Parser } from './parser.ts';
import { as, attempt, choice, label, map, nested, separated1, sequence } from './parser.ts';
import { char, shortcut, spaced, word } from './text-parsers.ts';
import { comparison, isComparison } from './plain-filter.ts';
import type { Filter, LogicTree } from './query.ts';

// `and(...)` and `or(...)` (PostgREST, Tables and Views, Logical operators).

const not = label(negation, 'negation operator (not)');

const operator: Parser<'and' | 'or'> = label(
  choice(as(attempt(word('and')), 'and' as const), as(word('or'), 'or')),
  'logic operator (and, or)',
);

/** A group of conditions; `members` reads its content. */
export function logicGroup<Leaf>(members: () => Parser<LogicTree<Leaf>>): Parser<LogicTree<Leaf>> {
  return map(
    sequence(
      not,
      operator,
      spaced(char('(')),
      separated1(nested(members), spaced(char(','))),
      spaced(char(')')),
    ),
    ([negated, joinedBy, , inside]) => ({ kind: 'group', negated, operator: joinedBy, members: inside }),
  );
}

const condition: Parser<LogicTree> = map(
  sequence(field, delimiter, operatorExpression(innerValue)),
  ([of, , expression]): LogicTree => ({ kind: 'leaf', leaf: { field: of, expression } satisfies Filter }),
);

/** A comparison whose value is neither quoted nor an array. */
const plainCondition = /([A-Za-z0-9_]+)\.(not\.)?(eq|neq|gte|gt|lte|lt)\.((?!["{])[^,)]*)(?=[,)])/y;

/** A condition, or a group of them. */
export const logicTree: Parser<LogicTree> = shortcut<LogicTree>(
  plainCondition,
  ([, name = '', negated, operatorName, value = '']) => ({
    kind: 'leaf',
    // The expression matches no other operator.
    leaf: comparison(name, isComparison(operatorName) ? operatorName : 'eq', value, negated !== undefined),
  }),
  choice(
    attempt(condition),
    logicGroup(() => logicTree),
  ),
);
