import { endOfString } from '../storable-text.ts';

/** Most characters that the numbers of a request may print in. One column of a row may have 10,000,000 (LTK02). */
export const mostPrintedDigits = 40_000_000;

/** What a refusal says. */
export const longNumbersRule = 'the numbers print in more than 40,000,000 characters';
export const longNumbersHint = 'Send numbers such as 1e131071 as text.';

/**
 * Whether the numbers of JSON, or of a GraphQL document, print in more characters than `mostPrintedDigits`. Postgres holds 1e131071 in ten
 * bytes and prints it in 131,072 characters: a function that looks at a list of them as text would use up the memory.
 */
export function printsTooLong(text: string): boolean {
  if (text.length < leastLength || !longExponent.test(text)) return false;
  let printed = 0;
  for (let from = 0; from < text.length;) {
    const quote = text.indexOf('"', from);
    const outside = text.slice(from, quote < 0 ? text.length : quote);
    for (const [, exponent] of outside.matchAll(exponents)) {
      printed += Math.min(Math.abs(Number(exponent)), mostDigits);
      if (printed > mostPrintedDigits) return true;
    }
    from = quote < 0 ? text.length : endOfString(text, quote);
  }
  return false;
}

/** Most digits of a number of Postgres before its point. */
const mostDigits = 131_072;
/** A shorter text does not have enough numbers. */
const leastLength = (mostPrintedDigits / mostDigits) * '1e9999'.length;
const longExponent = /\d[eE][+-]?\d{4}/;
const exponents = /\d[eE]([+-]?\d{4,})/g;
