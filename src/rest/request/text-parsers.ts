import { shown, shownCharacter, surprise, unexpectedAt } from './parse-failure.ts';
import type { Parser } from './parser.ts';
import { attempt, failed, map, sequence } from './parser.ts';

// Parsers of characters, runs of them and fixed texts: the grammars are made of these.

/** A set of characters, by code point. */
export type CharacterClass = (code: number) => boolean;

/** One character of a class; errors show `expected`. */
export function character(test: CharacterClass, expected: readonly string[] = []): Parser<string> {
  return (input) => {
    const code = input.text.codePointAt(input.at);
    if (code === undefined || !test(code))
      return input.stop(unexpectedAt(input.at, input.at, expected), false);
    input.at += code > 0xffff ? 2 : 1;
    input.failure = null;
    return String.fromCodePoint(code);
  };
}

/** One ASCII character. */
export function char(wanted: string): Parser<string> {
  const code = wanted.charCodeAt(0);
  const expected = [shown(wanted)];
  return (input) => {
    if (input.text.charCodeAt(input.at) !== code)
      return input.stop(unexpectedAt(input.at, input.at, expected), false);
    input.at++;
    input.failure = null;
    return wanted;
  };
}

/** The longest run of characters of a class; it may be empty. */
export function run(test: CharacterClass, expected: readonly string[] = []): Parser<string> {
  return (input) => {
    const { text, at } = input;
    const stop = endOfRun(text, at, test);
    input.at = stop;
    input.failure = unexpectedAt(stop, stop, expected);
    return text.slice(at, stop);
  };
}

/** The longest run of characters of a class, at least one. */
export function run1(test: CharacterClass, expected: readonly string[] = []): Parser<string> {
  const any = run(test, expected);
  return (input) => {
    const text = any(input);
    return text === '' ? input.stop(input.failure, false) : text;
  };
}

function endOfRun(text: string, start: number, test: CharacterClass): number {
  let at = start;
  while (at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    if (!test(code)) return at;
    at += code > 0xffff ? 2 : 1;
  }
  return at;
}

/**
 * The value of a match of the sticky expression, or what `parser` reads if the expression does not match. It speeds
 * up the usual case of a grammar. The expression must look ahead to something that is read next in any case, so that
 * no error depends on the way taken.
 */
export function shortcut<T>(
  usual: RegExp,
  value: (match: RegExpExecArray) => T,
  parser: Parser<T>,
): Parser<T> {
  return (input) => {
    usual.lastIndex = input.at;
    const match = usual.exec(input.text);
    if (match === null) return parser(input);
    input.at += match[0].length;
    input.failure = null;
    return value(match);
  };
}

/** A fixed text. Once its beginning has matched, it counts as consumed; the error is placed at its beginning. */
export function word(wanted: string): Parser<string> {
  const expected = [shown(wanted)];
  return (input) => {
    const start = input.at;
    for (let index = 0; index < wanted.length; index++) {
      if (input.text[start + index] !== wanted[index]) {
        return input.stop(unexpectedAt(start, start + index, expected), index > 0);
      }
    }
    input.at += wanted.length;
    input.failure = null;
    return wanted;
  };
}

/** A fixed lower case text, matched in any case. */
export function wordInAnyCase(wanted: string): Parser<string> {
  return (input) => {
    const start = input.at;
    for (const letter of wanted) {
      const actual = input.text[input.at];
      if (actual !== letter && actual !== letter.toUpperCase()) {
        const expected = [shown(letter), shown(letter.toUpperCase())];
        return input.stop(unexpectedAt(input.at, input.at, expected), input.at > start);
      }
      input.at++;
    }
    input.failure = null;
    return wanted;
  };
}

/** Everything up to the end. */
export const remainder: Parser<string> = (input) => {
  const { text, at } = input;
  input.at = text.length;
  input.failure = unexpectedAt(text.length, text.length, []);
  return text.slice(at);
};

/** Succeeds only at the end of the text. */
export const end: Parser<null> = (input) => {
  const code = input.text.codePointAt(input.at);
  if (code === undefined) {
    input.failure = unexpectedAt(input.at, input.at, endExpected);
    return null;
  }
  const { surprises } = surprise(input.at, shownCharacter(String.fromCodePoint(code)));
  return input.stop({ at: input.at, foundAt: -1, surprises, expected: endExpected }, false);
};
const endExpected = ['end of input'];

/** A character that must not come next. The error is placed after it. */
export function notFollowedBy(parser: Parser<string>): Parser<null> {
  return (input) => {
    const start = input.at;
    const value = attempt(parser)(input);
    if (value === failed) return null;
    const failure = surprise(input.at, shownCharacter(value));
    input.at = start;
    return input.stop(failure, false);
  };
}

/** The parser with blanks and tabs around it. */
export function spaced<T>(parser: Parser<T>): Parser<T> {
  return map(sequence(blanks, parser, blanks), ([, value]) => value);
}
const blanks = run((code) => code === 0x20 || code === 0x09);

/** The parser in round brackets. */
export function bracketed<T>(parser: Parser<T>): Parser<T> {
  return map(sequence(char('('), parser, char(')')), ([, value]) => value);
}

/** Every character except these, which are ASCII. */
export function noneOf(characters: string): CharacterClass {
  return asciiClass(
    (code) => !characters.includes(String.fromCharCode(code)),
    () => true,
  );
}

/** A class from a table for ASCII, which covers nearly all characters, and a test for the others. */
export function asciiClass(ascii: CharacterClass, others: CharacterClass): CharacterClass {
  const table = Uint8Array.from({ length: 0x80 }, (_, code) => (ascii(code) ? 1 : 0));
  return (code) => (code < 0x80 ? table[code] === 1 : others(code));
}
