/** A comment as documentation: the first line is the summary, the rest the description. Either may be null. */
export interface Documentation {
  readonly summary: string | null;
  readonly description: string | null;
}

/**
 * A comment without PostGraphile's smart tags, the leading lines that begin with `@`. Null for a comment that has
 * nothing else.
 */
export function withoutTags(comment: string | null): string | null {
  if (comment === null) return null;
  const lines = comment.split('\n');
  const first = lines.findIndex((line) => !line.startsWith('@'));
  const text = first === -1 ? '' : lines.slice(first).join('\n').trim();
  return text === '' ? null : text;
}

/** Splits a comment as PostgREST does (OpenAPI): the lines after the first, if any, are the description. */
export function documentation(comment: string | null): Documentation {
  const text = withoutTags(comment);
  if (text === null) return { summary: null, description: null };
  const end = text.indexOf('\n');
  if (end === -1) return { summary: text, description: null };
  return { summary: text.slice(0, end).trim(), description: text.slice(end + 1).trim() };
}
