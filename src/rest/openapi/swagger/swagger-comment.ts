/** The fields of an operation that a comment fills. */
export interface CommentFields {
  readonly summary?: string;
  readonly description?: string;
}

/** PostgREST's reading of a comment: the first line is the summary, and what follows after empty lines the description. */
export function commentFields(comment: string | null): CommentFields {
  if (comment === null) return {};
  const end = comment.indexOf('\n');
  if (end === -1) return { summary: comment };
  const description = comment.slice(end).replace(/^\n+/, '');
  return { summary: comment.slice(0, end), ...(description !== '' && { description }) };
}
