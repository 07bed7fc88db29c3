import { RestError } from '../errors.ts';

/**
 * Why a parser stopped or failed: the furthest place that it looked at, and what it expected there. Clients see the
 * text that Parsec makes of this (PostgREST, Errors, PGRST100), so it is kept in Parsec's form.
 */
export interface Failure {
  /** Index in the text. */
  readonly at: number;
  /** Index of the character that did not fit; the text's length means its end; -1: none. */
  readonly foundAt: number;
  /** Texts that were recognised but are not allowed there, in displayed form. */
  readonly surprises: readonly string[];
  /** Expected texts, in displayed form. */
  readonly expected: readonly string[];
}

const none: readonly string[] = [];

/** The failure for a character at `foundAt` that did not fit. */
export function unexpectedAt(at: number, foundAt: number, expected: readonly string[]): Failure {
  return { at, foundAt, surprises: none, expected };
}

/** The failure for a text that was recognised but is not allowed there. */
export function surprise(at: number, text: string): Failure {
  return { at, foundAt: -1, surprises: [text], expected: none };
}

/**
 * Merges the failures of two attempts: the one that got further counts; at the same place, the expectations of both
 * count.
 */
export function mergeFailures(first: Failure | null, second: Failure | null): Failure | null {
  if (first === null) return second;
  if (second === null || first.at > second.at) return first;
  if (first.at < second.at) return second;
  return {
    at: first.at,
    foundAt: first.foundAt === -1 ? second.foundAt : first.foundAt,
    surprises: joined(first.surprises, second.surprises),
    expected: joined(first.expected, second.expected),
  };
}

/** The refusal of a parameter. `what` names the parameter and its value. */
export function parseError(what: string, text: string, failure: Failure | null): RestError {
  const { line, column } = position(text, failure?.at ?? 0);
  return new RestError('PGRST100', `"${what}" (line ${line}, column ${column})`, {
    details: failure === null ? 'unknown parse error' : description(text, failure),
  });
}

/** A text as Haskell displays it: in double quotes, with decimal escapes beyond ASCII. */
export function shown(text: string): string {
  return `"${shownCharacters(text, '"')}"`;
}

/** A character as Haskell displays it: in single quotes. */
export function shownCharacter(character: string): string {
  return `'${shownCharacters(character, "'")}'`;
}

function joined(first: readonly string[], second: readonly string[]): readonly string[] {
  if (first.length === 0) return second;
  return second.length === 0 ? first : [...first, ...second];
}

function description(text: string, { foundAt, surprises, expected }: Failure): string {
  const parts: string[] = [];
  if (surprises.length > 0) parts.push(`unexpected ${oneOf(surprises)}`);
  else if (foundAt >= 0) parts.push(`unexpected ${found(text, foundAt)}`);
  if (expected.length > 0) parts.push(`expecting ${oneOf(expected)}`);
  return parts.join(' ');
}

function found(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? 'end of input' : shown(String.fromCodePoint(code));
}

function oneOf(items: readonly string[]): string {
  const distinct = [...new Set(items)];
  const last = distinct.pop() ?? '';
  return distinct.length === 0 ? last : `${distinct.join(', ')} or ${last}`;
}

/** Line and column, both from 1; a tab advances to the next multiple of 8. */
function position(text: string, at: number): { line: number; column: number } {
  let line = 1;
  let column = 1;
  for (let index = 0; index < at; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x0a) {
      line++;
      column = 1;
    } else if (code === 0x09) {
      column += 8 - ((column - 1) % 8);
    } else if (code < 0xdc00 || code > 0xdfff) {
      column++;
    }
  }
  return { line, column };
}

const controlNames =
  'NUL SOH STX ETX EOT ENQ ACK a b t n v f r SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );

function shownCharacters(text: string, quote: string): string {
  let result = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (character === quote || character === '\\') result += `\\${character}`;
    else if (code < 0x20) result += `\\${controlNames[code]}`;
    else if (code === 0x7f) result += '\\DEL';
    else result += code > 0x7f ? `\\${code}` : character;
  }
  return result;
}
