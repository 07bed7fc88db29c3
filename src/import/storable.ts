import { isExactNumber, isJsonObject, numberText } from './json-items.ts';
import type { JsonValue } from './json-items.ts';

/** Deeper than any legacy value, and far less than the recursion of JavaScript or Postgres can take. */
const deepest = 500;
/** Most digits of a `numeric`, and so of a number in jsonb, before and after the point. */
const digitsBefore = 131_072;
const digitsAfter = 16_383;

/**
 * The reason why Postgres would not store a text in a column of at most `longest` characters (code points), or
 * null.
 */
export function textProblem(what: string, text: string, longest?: number): string | null {
  if (text.includes('\0')) return `${what} has a NUL character (U+0000), which Postgres cannot store`;
  if (!text.isWellFormed()) return `${what} has half of a surrogate pair, which is not Unicode text`;
  const length = longest === undefined || text.length <= longest ? 0 : [...text].length;
  return longest !== undefined && length > longest
    ? `${what} has ${length} characters; expected at most ${longest}`
    : null;
}

/** The reason why Postgres would not store a value as jsonb, with the place in the value, or null. */
export function jsonProblem(what: string, value: JsonValue, depth = 0): string | null {
  if (depth > deepest) return `${what.split('[')[0]?.split('.')[0]} is nested deeper than ${deepest}`;
  if (typeof value === 'string') return textProblem(what, value);
  if (typeof value === 'number' || isExactNumber(value)) return numberProblem(what, numberText(value));
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) {
      const problem = jsonProblem(`${what}[${i}]`, element, depth + 1);
      if (problem) return problem;
    }
    return null;
  }
  if (!isJsonObject(value)) return null;
  for (const [key, member] of Object.entries(value)) {
    const problem = textProblem(`a key of ${what}`, key) ?? jsonProblem(`${what}.${key}`, member, depth + 1);
    if (problem) return problem;
  }
  return null;
}

/** The reason why a written number has no finite `double precision`, or null. */
export function doubleProblem(what: string, text: string): string | null {
  const value = Number(text);
  const vanishes = value === 0 && /[1-9]/.test(text.split(/e/i)[0] ?? '');
  return Number.isFinite(value) && !vanishes
    ? null
    : `${what} is ${shown(text)}, out of the range of a double`;
}

function numberProblem(what: string, text: string): string | null {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const before = whole.length + Number(exponent);
  const after = fraction.length - Number(exponent);
  return before > digitsBefore || after > digitsAfter
    ? `${what} is ${shown(text)}, which has more digits than a number in jsonb can have`
    : null;
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
