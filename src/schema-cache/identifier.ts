/** A name with its schema. An empty schema is for what has none: the source of a statement, an alias. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** The one text of a qualified name that maps can be keyed by: unambiguous whatever characters the names hold. */
export function nameKey(schema: string, name: string): string {
  return JSON.stringify([schema, name]);
}
