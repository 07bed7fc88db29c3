/** One SQL statement and its parameters. `values` are what node-postgres takes; `$1` is the first. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /**
   * Set it to have the statement prepared once per connection and role. The text is the identity: two statements of
   * one text share the preparation, whatever they are called. Leave it out for statements that are not repeated.
   */
  readonly prepare?: boolean | undefined;
  /**
   * Bytes that the database may send back; of several statements in one round trip the largest counts. More rejects with
   * AnswerTooLarge and costs the connection. Left out: any number.
   */
  readonly maxBytes?: number | undefined;
  /** Rows as arrays in column order instead of objects. */
  readonly arrayMode?: boolean | undefined;
}

/** Longer statements are not worth preparing: they hardly come again, and each is kept on every connection. */
export const maxPreparedText = 16_384;

/** What a statement gave back. `rowCount` is null for commands that count nothing (e.g. `set`). */
export interface StatementResult<Row = Record<string, unknown>> {
  readonly rows: Row[];
  readonly rowCount: number | null;
}

/**
 * A statement from a template: every interpolated value becomes a parameter, so nothing can be injected.
 * Identifiers cannot be parameters: pass them through `quoteIdentifier` in a plain string.
 *
 * @example sql`select * from app_public.agents where id = ${id}`
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  return { text: strings.reduce((text, part, i) => `${text}$${i}${part}`), values };
}

/** An identifier as Postgres quotes it: always in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string literal; for the few commands that take no parameters (`create role ... password`). */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
