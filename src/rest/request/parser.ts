import type { Failure } from './parse-failure.ts';
import { mergeFailures, parseError, surprise } from './parse-failure.ts';

// A small parser with Parsec's rules, because its error texts are part of the dialect. An alternative is tried only if
// the one before it failed without consuming anything (or was wrapped in `attempt`). Expectations along the way are kept
// until something is consumed. Parsers are built once, when their module loads.

/** Returned in place of a value by a parser that failed. */
export const failed = Symbol('failed');
export type Failed = typeof failed;

/** The deepest nesting that is parsed; deeper text is refused before it exhausts the stack. */
export const maxNesting = 200;

/** A text that is being parsed, and the position in it. */
export class Input {
  readonly text: string;
  at = 0;
  /** The failure of the last parser that ran: why it failed, or why it did not consume more. */
  failure: Failure | null = null;
  /** Whether the last parser that failed had consumed something. */
  consumed = false;
  depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  stop(failure: Failure | null, consumed: boolean): Failed {
    this.failure = failure;
    this.consumed = consumed;
    return failed;
  }
}

/** Reads a value from the front of a text, or fails. The rest is left for the next parser. */
export type Parser<T> = (input: Input) => T | Failed;

/**
 * The value that `parser` reads from the front of `text`; the rest is ignored. Throws PGRST100, in which `what` names
 * the parameter.
 */
export function parse<T>(parser: Parser<T>, what: string, text: string): T {
  const input = new Input(text);
  const value = parser(input);
  if (value === failed) throw parseError(`failed to parse ${what} (${text})`, text, input.failure);
  return value;
}

/** The same, but errors show another text than the one that is parsed. */
export function parseShown<T>(parser: Parser<T>, what: string, text: string, shownText: string): T {
  const input = new Input(text);
  const value = parser(input);
  if (value === failed) throw parseError(`failed to parse ${what} (${shownText})`, text, input.failure);
  return value;
}

/** The value, or undefined where `parse` would throw. */
export function parseOrNothing<T>(parser: Parser<T>, text: string): T | undefined {
  const value = parser(new Input(text));
  return value === failed ? undefined : value;
}

/** Reads nothing and returns `value`. */
export function pure<T>(value: T): Parser<T> {
  return (input) => {
    input.failure = null;
    return value;
  };
}

/** Runs the parsers one after the other and returns their values as a tuple. */
export function sequence<T extends readonly unknown[]>(
  ...parsers: { readonly [K in keyof T]: Parser<T[K]> }
): Parser<T> {
  return (input) => {
    const start = input.at;
    const values: unknown[] = [];
    let pending: Failure | null = null;
    for (const parser of parsers) {
      const before = input.at;
      const value = parser(input);
      if (value === failed) {
        if (input.consumed) return failed;
        return input.stop(mergeFailures(pending, input.failure), before > start);
      }
      pending = input.at > before ? input.failure : mergeFailures(pending, input.failure);
      values.push(value);
    }
    input.failure = pending;
    // The tuple has one value per parser, in the parser's place.
    return values as unknown as T;
  };
}

export function map<A, B>(parser: Parser<A>, change: (value: A) => B): Parser<B> {
  return (input) => {
    const value = parser(input);
    return value === failed ? failed : change(value);
  };
}

/** Returns `result` in place of the value that was read. */
export function as<const T>(parser: Parser<unknown>, result: T): Parser<T> {
  return map(parser, () => result);
}

/** Runs both in order and returns the second's value. */
export function second<T>(one: Parser<unknown>, two: Parser<T>): Parser<T> {
  return map(sequence(one, two), ([, value]) => value);
}

/** Runs both in order and returns the first's value. */
export function first<T>(one: Parser<T>, two: Parser<unknown>): Parser<T> {
  return map(sequence(one, two), ([value]) => value);
}

/** The first alternative that succeeds, or that fails after consuming something. */
export function choice<T extends readonly unknown[]>(
  ...parsers: { readonly [K in keyof T]: Parser<T[K]> }
): Parser<T[number]> {
  return (input) => {
    const start = input.at;
    let pending: Failure | null = null;
    for (const parser of parsers) {
      input.at = start;
      const value = parser(input);
      if (value === failed) {
        if (input.consumed) return failed;
        pending = mergeFailures(pending, input.failure);
      } else {
        if (input.at === start) input.failure = mergeFailures(pending, input.failure);
        return value;
      }
    }
    return input.stop(pending, false);
  };
}

/** The same parser, except that a failure consumes nothing, so that the next alternative is tried. */
export function attempt<T>(parser: Parser<T>): Parser<T> {
  return (input) => {
    const start = input.at;
    const value = parser(input);
    if (value === failed) {
      input.at = start;
      input.consumed = false;
    }
    return value;
  };
}

/** The value, or null if the parser fails without consuming anything. */
export function optional<T>(parser: Parser<T>): Parser<T | null> {
  return choice(parser, pure(null));
}

/** Checks what comes next without consuming it. */
export function lookAhead<T>(parser: Parser<T>): Parser<T> {
  return (input) => {
    const start = input.at;
    const value = parser(input);
    if (value !== failed) {
      input.at = start;
      input.failure = null;
    }
    return value;
  };
}

/** Errors show `name` instead of the parser's own expectations, as long as it has consumed nothing. */
export function label<T>(parser: Parser<T>, name: string): Parser<T> {
  const expected = [name];
  return (input) => {
    const start = input.at;
    const value = parser(input);
    const empty = value === failed ? !input.consumed : input.at === start;
    if (empty && input.failure !== null) input.failure = { ...input.failure, expected };
    return value;
  };
}

/** Repeats the parser until it fails. The parser must consume something each time. */
export function many<T>(parser: Parser<T>): Parser<readonly T[]> {
  return (input) => {
    const values: T[] = [];
    for (;;) {
      const start = input.at;
      const value = parser(input);
      if (value === failed) {
        if (input.consumed) return failed;
        input.at = start;
        return values;
      }
      values.push(value);
    }
  };
}

export function separated1<T>(parser: Parser<T>, separator: Parser<unknown>): Parser<readonly T[]> {
  return map(sequence(parser, many(second(separator, parser))), ([head, others]) => [head, ...others]);
}

export function separated<T>(parser: Parser<T>, separator: Parser<unknown>): Parser<readonly T[]> {
  return choice(separated1(parser, separator), pure<readonly T[]>([]));
}

/** Accepts only a value that passes the test; otherwise it fails after the value. */
export function only<T>(parser: Parser<T>, test: (value: T) => boolean): Parser<T> {
  return (input) => {
    const start = input.at;
    const value = parser(input);
    return value === failed || test(value) ? value : input.stop(input.failure, input.at > start);
  };
}

/** A parser that contains itself. Beyond `maxNesting` it fails, and no alternative is tried. */
export function nested<T>(parser: () => Parser<T>): Parser<T> {
  return (input) => {
    if (input.depth === maxNesting) {
      return input.stop(surprise(input.at, `nesting of more than ${maxNesting} levels`), true);
    }
    input.depth++;
    const value = parser()(input);
    input.depth--;
    return value;
  };
}
