import { GraphQLError, Kind, visit } from 'postgraphile/graphql';
import type { DocumentNode } from 'postgraphile/graphql';
import { AppError } from '../errors.ts';

/** The refusal of a document that reads the schema; null: it does not. */
export function introspectionRefusal(document: DocumentNode): GraphQLError | null {
  let reads = false;
  visit(document, {
    [Kind.FIELD]: ({ name }) => {
      // Not __typename, which clients add to every selection.
      if (name.value === '__schema' || name.value === '__type') reads = true;
    },
  });
  if (!reads) return null;
  const originalError = new AppError(
    'AUTHENTICATION_REQUIRED',
    'the schema is shown to requests with a token',
    {
      hint: 'Send the header Authorization: Bearer <token>, or set ANONYMOUS_INTROSPECTION=true for everybody.',
    },
  );
  return new GraphQLError(originalError.message, { originalError });
}
