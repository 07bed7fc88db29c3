import { types } from 'pg';
import type { FieldDef } from 'pg';

type Parse = (text: string) => unknown;

/**
 * Turns a statement's fields into rows with node-postgres' type parsers; null stays null. Made once per
 * prepared statement, while node-postgres' own Result looks the parsers up again at each execution.
 */
export class RowShape {
  /** The shape of a statement that returns no rows. */
  static readonly none = new RowShape([]);

  readonly #names: readonly string[];
  readonly #parsers: readonly Parse[];

  constructor(fields: readonly FieldDef[]) {
    this.#names = fields.map((field) => field.name);
    this.#parsers = fields.map((field) => types.getTypeParser(field.dataTypeID, 'text') as Parse);
  }

  /** Values in the order of the columns. */
  toArray(texts: readonly (string | null)[]): unknown[] {
    return this.#parsers.map((parse, column) => valueOf(parse, texts[column]));
  }

  /** Values by column name. If two columns share a name, the later one wins. */
  toObject(texts: readonly (string | null)[]): Record<string, unknown> {
    const row: Record<string, unknown> = {};
    for (const [column, name] of this.#names.entries()) {
      row[name] = valueOf(this.#parsers[column] as Parse, texts[column]);
    }
    return row;
  }
}

function valueOf(parse: Parse, text: string | null | undefined): unknown {
  return text === null || text === undefined ? null : parse(text);
}
