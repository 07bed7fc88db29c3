import type { Parser } from './parser.ts';
import {
  as,
  attempt,
  first,
  choice,
  label,
  lookAhead,
  many,
  map,
  optional,
  pure,
  separated1,
  sequence,
  second,
} from './parser.ts';
import {
  asciiClass,
  char,
  character,
  end,
  noneOf,
  notFollowedBy,
  run1,
  spaced,
  word,
} from './text-parsers.ts';
import type { EmbedPath, Field, JsonStep } from './query.ts';

// Names, and the paths to json values below them (PostgREST, URL Grammar; Tables and Views, JSON columns).

/** Separates the names of a path. */
export const delimiter: Parser<string> = label(char('.'), 'delimiter (.)');

/** A value in double quotes, with a backslash before any character that is meant literally. */
export const quotedValue: Parser<string> = map(
  sequence(
    char('"'),
    many(
      choice(
        run1(noneOf('\\"')),
        second(
          char('\\'),
          character(() => true),
        ),
      ),
    ),
    char('"'),
  ),
  ([, parts]) => parts.join(''),
);

const letter = /^\p{L}$/u;
const identifierCharacter = asciiClass(
  (code) => /[A-Za-z0-9_ $]/.test(String.fromCharCode(code)),
  (code) => letter.test(String.fromCodePoint(code)),
);

/** Letters of any script, digits, `_`, `$` and blanks, without the blanks around them. */
export const identifier: Parser<string> = map(run1(identifierCharacter, ['letter', 'digit']), (name) =>
  name.trim(),
);

/** A name: quoted, or an identifier that may contain dashes. */
export const fieldName: Parser<string> = label(
  choice(quotedValue, joinedByDashes(identifier)),
  'field name (* or [a..z0..9_$])',
);

const jsonKey: Parser<string> = label(
  choice(quotedValue, joinedByDashes(map(run1(noneOf('(-:.,>)')), (key) => key.trim()))),
  'any non reserved character different from: .,>()',
);

const jsonIndexEnd = choice(
  attempt(lookAhead(word('->'))),
  attempt(lookAhead(word('::'))),
  attempt(lookAhead(word('.'))),
  attempt(lookAhead(word(','))),
  attempt(end),
);

const jsonIndex: Parser<number> = map(
  sequence(choice(char('-'), pure('+')), run1(isDigit, ['digit']), jsonIndexEnd),
  ([sign, digits]) => {
    // A number too large for Postgres's integer stays too large, and Postgres refuses it.
    const index = Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
    return sign === '-' && index !== 0 ? -index : index;
  },
);

const jsonStep: Parser<JsonStep> = map(
  sequence(
    choice(as(attempt(word('->>')), '->>' as const), as(attempt(word('->')), '->' as const)),
    choice(attempt(map(jsonIndex, (index) => ({ index }))), attempt(map(jsonKey, (key) => ({ key })))),
  ),
  ([arrow, operand]): JsonStep => ({ arrow, ...operand }),
);

/** `->key->>0`, or nothing. */
export const jsonPath: Parser<readonly JsonStep[]> = many(jsonStep);

/** A name and the path below it. */
export const field: Parser<Field> = spaced(
  map(sequence(fieldName, jsonPath), ([name, path]) => ({ name, jsonPath: path })),
);

/** The name of a filter: `relation.other.column->key`. */
export const treePath: Parser<{ readonly path: EmbedPath; readonly field: Field }> = map(
  sequence(separated1(fieldName, delimiter), jsonPath),
  ([names, steps]) => ({ path: names.slice(0, -1), field: { name: names.at(-1) ?? '', jsonPath: steps } }),
);

/** The names of a logic parameter: `relation.not.or`. */
export const logicPath: Parser<readonly string[]> = separated1(fieldName, delimiter);

/** The names in `columns=` and `on_conflict=`. */
export const columnNames: Parser<readonly string[]> = separated1(fieldName, spaced(char(',')));

/** An alias and its colon, which must not be the beginning of a cast. */
export const alias: Parser<string | null> = optional(
  attempt(first(fieldName, sequence(char(':'), notFollowedBy(char(':'))))),
);

function joinedByDashes(name: Parser<string>): Parser<string> {
  // A dash before `>` begins a json path.
  const dash = attempt(sequence(char('-'), notFollowedBy(char('>'))));
  return map(separated1(name, dash), (names) => names.join('-'));
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
