import { OperationalError } from '../operational-error.ts';

/** The reason why a token was refused. The codes are stable; src/errors.ts has their statuses. */
export type TokenProblem =
  | 'TOKEN_MALFORMED'
  | 'TOKEN_FORGED'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_CLAIMS'
  | 'TOKEN_KEYS_UNKNOWN'
  | 'SESSION_ENDED'
  | 'KEY_ENDED'
  | 'TENANT_SUSPENDED';

/** A bearer token was refused. The message may be shown, because it reveals nothing about the secret. */
export class TokenError extends OperationalError {
  override name = 'TokenError';
  readonly code: TokenProblem;

  constructor(code: TokenProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
