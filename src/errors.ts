import { OperationalError } from './operational-error.ts';

/**
 * Every code that a client may find in `errors[].extensions.code`, with the HTTP status that goes with it when a whole
 * request fails. Codes are stable: they are never renamed, and a retired one stays listed.
 */
export const errorCodes = {
  // The request itself
  MALFORMED_REQUEST: { status: 400, meaning: 'The request is HTTP, and not as HTTP/1.1 has it.' },
  MALFORMED_BODY: { status: 400, meaning: 'The body is not the JSON object that is expected.' },
  BODY_TOO_LARGE: { status: 413, meaning: 'The body is larger than MAX_BODY_BYTES.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, meaning: 'The Content-Type is not application/json.' },
  METHOD_NOT_ALLOWED: { status: 405, meaning: 'The path exists and does not answer this method.' },
  NOT_FOUND: { status: 404, meaning: 'There is nothing under this path.' },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    meaning: 'The page that opens a WebSocket is not of CORS_ORIGINS.',
  },
  UPGRADE_REFUSED: { status: 400, meaning: 'The connection cannot become what the handshake asks for.' },

  // Who is asking
  TOKEN_MALFORMED: {
    status: 401,
    meaning: 'The Authorization header is not `Bearer` and a JWT or a session token.',
  },
  TOKEN_FORGED: { status: 401, meaning: 'The token was not signed by this service.' },
  TOKEN_EXPIRED: { status: 401, meaning: 'The token is past its time.' },
  TOKEN_CLAIMS: { status: 401, meaning: 'The token is signed and says something that is not allowed.' },
  SESSION_ENDED: { status: 401, meaning: 'The session of the token is over, was revoked, or never was.' },
  AUTHENTICATION_REQUIRED: { status: 401, meaning: 'Nobody may do this without a token.' },
  TENANT_SUSPENDED: { status: 403, meaning: "The token's tenant is locked out." },

  // GraphQL, before anything runs
  PERSISTED_QUERY_NOT_SUPPORTED: {
    status: 400,
    meaning: 'The hash of a query came in place of its text; texts are not kept.',
  },
  GRAPHQL_PARSE_FAILED: { status: 400, meaning: 'The query is not GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { status: 400, meaning: 'The query does not fit the schema.' },
  QUERY_TOO_DEEP: { status: 400, meaning: 'The query nests deeper than allowed.' },
  QUERY_TOO_COMPLEX: {
    status: 400,
    meaning: 'The query asks for more than one request may; the message says of what.',
  },
  PAGE_TOO_LARGE: { status: 400, meaning: 'A list is asked for with more than GRAPHQL_MAX_FIRST rows.' },
  BAD_USER_INPUT: { status: 400, meaning: 'A variable, argument or operation name cannot be used.' },

  // While it runs
  ANSWER_TOO_LARGE: { status: 400, meaning: 'The answer would have more than MAX_ANSWER_BYTES.' },

  // What the database refused
  TOO_COMPLEX: {
    status: 400,
    meaning: 'A value or a condition nests deeper, or has more parts, than Postgres can work on.',
  },
  INVALID_VALUE: { status: 400, meaning: 'A value is not of its type, or out of range (SQLSTATE class 22).' },
  NOT_NULL_VIOLATION: { status: 400, meaning: 'A value that is needed is missing.' },
  CHECK_VIOLATION: { status: 400, meaning: "A value breaks one of the table's rules." },
  UNIQUE_VIOLATION: { status: 409, meaning: 'There is one already.' },
  FOREIGN_KEY_VIOLATION: {
    status: 409,
    meaning: 'What it refers to is not there, or it is still referred to.',
  },
  PERMISSION_DENIED: { status: 403, meaning: 'This role may not do this, or not to this row.' },
  ROW_NOT_FOUND: { status: 404, meaning: 'The row to change is not there, or out of reach for this role.' },
  REFUSED: {
    status: 400,
    meaning: 'A rule in the database refused it; `sqlState` and the message say which.',
  },
  REFUSED_NOT_FOUND: {
    status: 404,
    meaning: 'A function did not find what it was called for; see `sqlState`.',
  },
  REFUSED_CONFLICT: {
    status: 409,
    meaning: 'A function cannot do it in the state that things are in; see `sqlState`.',
  },
  TRY_AGAIN: { status: 409, meaning: 'It collided with another request: send it once more.' },
  STATEMENT_TIMEOUT: { status: 504, meaning: 'The statement ran longer than DB_STATEMENT_TIMEOUT_MS.' },
  EMBEDDINGS_UNAVAILABLE: { status: 503, meaning: 'The endpoint of embeddings gives none.' },
  DATABASE_UNAVAILABLE: {
    status: 503,
    meaning: 'No connection to the database could be had, or it was lost before the answer.',
  },
  DATABASE_SILENT: {
    status: 504,
    meaning: 'The database did not answer in time (docs/waits.md): what was asked for may have been done.',
  },

  VALUE_NOT_REPRESENTABLE: {
    status: 422,
    meaning: 'A value that is stored has no form in GraphQL, such as NaN in a Float. REST has it.',
  },

  // Subscriptions
  SUBSCRIBER_TOO_SLOW: { status: 429, meaning: 'Events came faster than the subscriber read them.' },
  SUBSCRIPTIONS_OVER_WEBSOCKET: { status: 400, meaning: 'Subscriptions need a WebSocket, not a POST.' },
  SHUTTING_DOWN: { status: 503, meaning: 'The server is about to stop: connect again.' },

  INTERNAL_ERROR: {
    status: 500,
    meaning: 'A bug or a broken database; the log has it under the request id.',
  },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;

/**
 * The HTTP status of rules of our own, by the SQLSTATE that sql/ raises for them (sql/README.md says what each stands for);
 * 400 for those that are not here. REST answers with it; GraphQL shows the SQLSTATE and the code above of the same status.
 */
export const refusalStatuses: Readonly<Record<string, 403 | 404 | 409 | 503>> = {
  LTJ01: 409,
  LTQ01: 404,
  LTQ02: 409,
  LTQ03: 409,
  LTQ04: 409,
  LTQ06: 409,
  LTS11: 503,
  LTS12: 404,
  LTS13: 409,
  LTT01: 409,
  LTT02: 404,
  LTT04: 409,
  LTU04: 403,
  LTU07: 404,
  LTW01: 404,
  LTW03: 409,
  LTW04: 409,
  LTW06: 409,
  LTW07: 409,
  LTW08: 409,
  LTW09: 409,
};

/** A refusal that may be shown to whoever asked. */
export class AppError extends OperationalError {
  override name = 'AppError';
  readonly code: ErrorCode;
  readonly details: string | null;
  readonly hint: string | null;
  /** Of a rule of our own in the database, such as `LTQ02`; null for everything else. */
  readonly sqlState: string | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly details?: string | null;
      readonly hint?: string | null;
      readonly sqlState?: string | null;
    } = {},
  ) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? null;
    this.hint = options.hint ?? null;
    this.sqlState = options.sqlState ?? null;
  }

  /** The HTTP status of the code. */
  get status(): number {
    return errorCodes[this.code].status;
  }
}
