import type { AppError } from '../errors.ts';

/** Gets the errors that clients may not see, with the request id that the client sees instead. */
export type OnInternalError = (error: unknown, requestId: string) => void;

/** An error in GraphQL's form: `{"errors": [{message, extensions: {code, details, hint}}]}`. */
export function errorBody({ code, message, details, hint }: AppError): string {
  const extensions = { code, ...(details !== null && { details }), ...(hint !== null && { hint }) };
  return JSON.stringify({ errors: [{ message, extensions }] });
}
