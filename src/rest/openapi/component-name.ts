/** A name that OpenAPI allows as a component's key (`[a-zA-Z0-9._-]+`); different parts give different names. */
export function componentName(...parts: readonly string[]): string {
  return parts.map((part) => part.replace(/[^a-zA-Z0-9_-]/gu, escaped)).join('.');
}

function escaped(character: string): string {
  return `-u${(character.codePointAt(0) ?? 0).toString(16)}-`;
}

/** `$ref` to a component. */
export function reference(kind: 'schemas' | 'parameters' | 'responses', name: string): { $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** What an operation does: the first part of its `operationId`. */
export type OperationVerb = 'read' | 'insert' | 'update' | 'delete' | 'query' | 'call';

/**
 * The `operationId` of a relation's or function's operation: the same in every document that has the operation, and
 * different from those of all others. `query` calls a function by GET.
 */
export function operationId(verb: OperationVerb, name: string): string {
  // No verb has an underscore, so the name begins after the first.
  return `${verb}_${componentName(name)}`;
}
