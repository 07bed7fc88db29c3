/** One SQL statement and its parameters. `values` are values that node-postgres accepts; `$1` is the first. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /**
   * True: the statement is prepared once per connection and role. The text is its identity: two statements with
   * the same text share the preparation. Leave it out for statements that are not repeated.
   */
  readonly prepare?: boolean | undefined;
  /**
   * Largest number of bytes that the database may send back; if statements of one round trip differ, the
   * largest counts. A longer answer rejects with AnswerTooLarge and costs the connection. Left out: no limit.
   */
  readonly maxBytes?: number | undefined;
  /** Rows as arrays in column order instead of objects. */
  readonly arrayMode?: boolean | undefined;
}

/** Longer statements are not worth preparing: they hardly ever come again, and each is kept on every connection. */
export const maxPreparedText = 16_384;

/** A statement's result. `rowCount` is null for commands that count nothing (e.g. `set`). */
export interface StatementResult<Row = Record<string, unknown>> {
  readonly rows: Row[];
  readonly rowCount: number | null;
}

/**
 * A statement from a template. Every interpolated value becomes a parameter, so nothing can be injected.
 * Identifiers cannot be parameters: pass them through `quoteIdentifier` in a plain string.
 *
 * @example sql`select * from app_public.agents where id = ${id}`
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  return { text: strings.reduce((text, part, i) => `${text}$${i}${part}`), values };
}

/** Quotes an identifier for Postgres, always in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a string literal, for the few commands that take no parameters (`create role ... password`). */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
