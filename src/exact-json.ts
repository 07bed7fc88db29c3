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

/** Writes JSON without spaces and with the keys of every object in order, so that equal values give equal texts. */
export function stringifySorted(value: ExactJson): string {
  if (typeof value !== 'object' || value === null || json.isRawJSON(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stringifySorted).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${stringifySorted(each)}`).join(',')}}`;
}
