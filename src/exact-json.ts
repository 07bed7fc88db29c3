/** A value of JSON whose numbers keep the digits that they were written with; for `stringifySorted`. */
export type ExactJson = unknown;

// In Node since 21 (V8's "JSON.parse source text access") and not yet in TypeScript's declarations.
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

/** Parses JSON without rounding: a 20-digit id stays one. Throws SyntaxError. */
export function parseExact(text: string): ExactJson {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
  );
}

/** Writes JSON without spaces, the keys of every object in order: the same values give the same text. */
export function stringifySorted(value: ExactJson): string {
  if (typeof value !== 'object' || value === null || json.isRawJSON(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stringifySorted).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${stringifySorted(each)}`).join(',')}}`;
}
