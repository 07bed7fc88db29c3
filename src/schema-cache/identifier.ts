/** A name with its schema. The schema is empty for names without one: the source of a statement, an alias. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** A qualified name as one text, to be a map's key: unambiguous whatever characters the names hold. */
export function nameKey(schema: string, name: string): string {
  return JSON.stringify([schema, name]);
}
