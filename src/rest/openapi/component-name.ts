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
