/** A `$ref` to a part of the document, whatever characters its name has. */
export function swaggerReference(
  kind: 'definitions' | 'parameters',
  name: string,
): { readonly $ref: string } {
  // A JSON Pointer (RFC 6901) in the fragment of a URL.
  const key = name.replaceAll('~', '~0').replaceAll('/', '~1');
  return { $ref: `#/${kind}/${encodeURIComponent(key)}` };
}
