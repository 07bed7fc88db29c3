import { GraphQLError, Lexer, Source, TokenKind } from 'postgraphile/graphql';
import type { ErrorCode } from '../../errors.ts';

/** Characters of a query's text. */
export const maxQueryLength = 1_048_576;
/** Brackets within brackets. The parser, and everybody who looks at what it made, goes one call deeper at each. */
export const maxBrackets = 150;

/**
 * Why a query's text is not parsed: it is too long, or nests too deep. Null: it may be. Reads it once, token by token, and
 * stops at the first that is too much. What is not GraphQL is for the parser to say.
 */
export function lexicalRefusal(text: string, maxTokens: number): GraphQLError | null {
  if (text.length > maxQueryLength) {
    return refusal(
      'QUERY_TOO_COMPLEX',
      `the query has ${text.length} characters; at most ${maxQueryLength} are allowed. Pass values as variables.`,
    );
  }
  const lexer = new Lexer(new Source(text));
  let tokens = 0;
  let depth = 0;
  try {
    for (;;) {
      const { kind } = lexer.advance();
      if (kind === TokenKind.EOF) return null;
      if (++tokens > maxTokens) {
        return refusal(
          'QUERY_TOO_COMPLEX',
          `the query has more than ${maxTokens} names, values and brackets. Pass values as variables.`,
        );
      }
      if (opening.has(kind) && ++depth > maxBrackets) {
        return refusal('QUERY_TOO_DEEP', `the query has more than ${maxBrackets} brackets within brackets`);
      }
      if (closing.has(kind)) depth--;
    }
  } catch (error) {
    if (error instanceof GraphQLError) return null;
    throw error;
  }
}

const opening: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

function refusal(code: ErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}
