import { GraphQLError, Lexer, Source, TokenKind } from 'postgraphile/graphql';
import type { ErrorCode } from '../../errors.ts';

/** Most characters of a query's text. */
export const maxQueryLength = 1_048_576;
/**
 * Most brackets nested in each other. The parser, and everything that walks its result, goes one call deeper at each.
 */
export const maxBrackets = 150;

/**
 * Why a query's text may not be parsed: it is too long, or nests too deep. Null: it may be. Reads the text once,
 * token by token, and stops at the first token too many. Text that is not GraphQL is left for the parser to report.
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
