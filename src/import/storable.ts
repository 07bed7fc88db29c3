import { isExactNumber, isJsonObject, numberText } from './json-items.ts';
import type { JsonValue } from './json-items.ts';

/** Deeper than any legacy value, and far less than the recursion of JavaScript or Postgres can take. */
export const deepest = 500;
/** Most digits of a `numeric`, and so of a number in jsonb, before and after the point. */
const digitsBefore = 131_072;
const digitsAfter = 16_383;

/** The reason why Postgres would not store a text in a column of at most `longest` characters (code points), or null. */
export function textProblem(what: string, text: string, longest: number): string | null {
  const length = text.length <= longest ? 0 : [...text].length;
  return length > longest ? `${what} has ${length} characters; expected at most ${longest}` : null;
}

/** The reason why Postgres would not store a value as jsonb, with the place in the value, or null. */
export function jsonProblem(what: string, value: JsonValue, depth = 0): string | null {
  if (depth > deepest) return `${what.split('[')[0]?.split('.')[0]} is nested deeper than ${deepest}`;
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
    const problem = jsonProblem(`${what}.${key}`, member, depth + 1);
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
