/** A JSON value whose numbers keep their digits as written; for `stringifySorted`. */
export type ExactJson = unknown;

// Node has these functions since version 21 (V8's "JSON.parse source text access"); TypeScript does not declare
// them yet.
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

/** Parses JSON without rounding, so that a 20-digit id stays as it is. Throws SyntaxError. */
export function parseExact(text: string): ExactJson {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
  );
}

/** A number as JavaScript has it where that is the same text again, and otherwise an object that `JSON.stringify` writes as it came. */
export function exactNumber(source: string): number | object {
  const value = Number(source);
  return String(value) === source ? value : json.rawJSON(source);
}

/** Whether a value is a number that JavaScript would have changed. */
export function isExactNumber(value: unknown): value is { readonly rawJSON: string } {
  return json.isRawJSON(value);
}

/**
 * Parses JSON whose numbers become `exactNumber`. Text without a long number or an exponent takes the faster way, and so does text that
 * nests too deep to look at each number. Throws SyntaxError.
 */
export function parseExactNumbers(text: string): unknown {
  if (!hasLongNumber(text)) return JSON.parse(text);
  try {
    return json.parse(text, (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined ? exactNumber(source) : value,
    );
  } catch (error) {
    // Only parsing without a function does not recurse.
    if (error instanceof RangeError) return JSON.parse(text);
    throw error;
  }
}

/** Whether JSON text may have a number that `parseExactNumbers` keeps and JSON.parse changes. */
export function hasLongNumber(text: string): boolean {
  return longNumber.test(text);
}

/** A number with more digits than are safe, with a last digit 0 behind the point, or with an exponent. A match in a string only costs time. */
const longNumber = /[[:,\s](?:-0[,\]}\s]|-?[\d.]{16}|-?\d[\d.]*[eE]|-?\d+\.\d*0[,\]}\s])/;

/** Writes JSON without spaces and with the keys of every object in order, so that equal values give equal texts. */
export function stringifySorted(value: ExactJson): string {
  if (typeof value !== 'object' || value === null || json.isRawJSON(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stringifySorted).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${stringifySorted(each)}`).join(',')}}`;
}
