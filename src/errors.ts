import { OperationalError } from './operational-error.ts';

/**
 * Every code that a client may find in `errors[].extensions.code`, with the HTTP status for the case that the
 * whole request fails. Codes are stable: they are never renamed, and a retired one stays listed.
 */
export const errorCodes = {
  // The request itself
  MALFORMED_REQUEST: { status: 400, meaning: 'The request is HTTP, but does not follow HTTP/1.1.' },
  MALFORMED_BODY: { status: 400, meaning: 'The body is not the expected JSON object.' },
  BODY_TOO_LARGE: { status: 413, meaning: 'The body is larger than MAX_BODY_BYTES.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, meaning: 'The Content-Type is not application/json.' },
  METHOD_NOT_ALLOWED: { status: 405, meaning: 'The path exists, but does not support this method.' },
  NOT_FOUND: { status: 404, meaning: 'Nothing has this path.' },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    meaning: 'The page that opens a WebSocket is not from an origin in CORS_ORIGINS.',
  },
  UPGRADE_REFUSED: { status: 400, meaning: 'The connection cannot be upgraded as the handshake asks.' },

  // The requester
  TOKEN_MALFORMED: {
    status: 401,
    meaning: 'The Authorization header is not `Bearer` and a JWT, an API key or the token of a session.',
  },
  TOKEN_FORGED: { status: 401, meaning: 'The token was not signed by this service.' },
  TOKEN_EXPIRED: { status: 401, meaning: 'The token has expired.' },
  TOKEN_CLAIMS: { status: 401, meaning: 'The token is signed, but a claim in it is not allowed.' },
  TOKEN_KEYS_UNKNOWN: {
    status: 503,
    meaning: 'The published keys (JWT_KEYS_URL) that may have signed the token could not be read yet.',
  },
  SESSION_ENDED: { status: 401, meaning: "The token's session has ended, was revoked, or never existed." },
  KEY_ENDED: { status: 401, meaning: 'The API key has expired, was revoked, or never existed.' },
  AUTHENTICATION_REQUIRED: { status: 401, meaning: 'This requires a token.' },
  TENANT_SUSPENDED: { status: 403, meaning: "The token's tenant is suspended." },

  TOO_MANY_REQUESTS: {
    status: 429,
    meaning: 'The address, the tenant or the subject asks for more at a time than it may (docs/limits.md).',
  },

  // GraphQL, before anything runs
  PERSISTED_QUERY_NOT_SUPPORTED: {
    status: 400,
    meaning: 'The request has the hash of a query in place of its text; texts are not kept.',
  },
  GRAPHQL_PARSE_FAILED: { status: 400, meaning: 'The query is not GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { status: 400, meaning: 'The query does not fit the schema.' },
  QUERY_TOO_DEEP: { status: 400, meaning: 'The query nests deeper than allowed.' },
  QUERY_TOO_COMPLEX: {
    status: 400,
    meaning: 'The query asks for more than one request may; the message names the limit.',
  },
  PAGE_TOO_LARGE: { status: 400, meaning: 'The query asks for a list of more than GRAPHQL_MAX_FIRST rows.' },
  BAD_USER_INPUT: { status: 400, meaning: 'A variable, argument or operation name is not valid.' },

  // While it runs
  ANSWER_TOO_LARGE: { status: 400, meaning: 'The answer would have more than MAX_ANSWER_BYTES.' },

  // Refusals of the database
  TOO_COMPLEX: {
    status: 400,
    meaning: 'A value or a condition nests deeper, or has more parts, than Postgres can handle.',
  },
  INVALID_VALUE: {
    status: 400,
    meaning: 'A value does not fit its type, or is out of range (SQLSTATE class 22).',
  },
  NOT_NULL_VIOLATION: { status: 400, meaning: 'A required value is missing.' },
  CHECK_VIOLATION: { status: 400, meaning: "A value breaks one of the table's rules." },
  UNIQUE_VIOLATION: { status: 409, meaning: 'A row with this key already exists.' },
  FOREIGN_KEY_VIOLATION: {
    status: 409,
    meaning: 'A row that this one refers to does not exist, or other rows still refer to this one.',
  },
  PERMISSION_DENIED: { status: 403, meaning: 'This role may not do this, or not to this row.' },
  ROW_NOT_FOUND: {
    status: 404,
    meaning: 'The row to change does not exist, or is out of reach for this role.',
  },
  REFUSED: {
    status: 400,
    meaning: 'A rule in the database refused the request; `sqlState` and the message say which.',
  },
  REFUSED_NOT_FOUND: {
    status: 404,
    meaning: 'A function did not find what it was asked for; see `sqlState`.',
  },
  REFUSED_CONFLICT: {
    status: 409,
    meaning: 'A function cannot do this in the current state; see `sqlState`.',
  },
  TRY_AGAIN: { status: 409, meaning: 'The request collided with another one: send it again.' },
  STATEMENT_TIMEOUT: { status: 504, meaning: 'The statement ran longer than DB_STATEMENT_TIMEOUT_MS.' },
  WRITES_STOPPED: {
    status: 503,
    meaning: 'An operator has stopped all writes for a while; reads go on (docs/rollback.md).',
  },
  EMBEDDINGS_UNAVAILABLE: { status: 503, meaning: 'The embeddings endpoint returned no embedding.' },
  DATABASE_UNAVAILABLE: {
    status: 503,
    meaning: 'No connection to the database could be had, or it was lost before the answer.',
  },
  DATABASE_BUSY: {
    status: 504,
    meaning: 'Every connection to the database stayed in use for too long (docs/waits.md).',
  },
  DATABASE_SILENT: {
    status: 504,
    meaning: 'The database did not answer in time (docs/waits.md): the request may have taken effect.',
  },

  CLIENT_LEFT: { status: 499, meaning: 'The client left before the answer, so it never sees this code.' },

  VALUE_NOT_REPRESENTABLE: {
    status: 422,
    meaning: 'A stored value has no form in GraphQL, such as NaN in a Float. REST can return it.',
  },

  // Subscriptions
  SUBSCRIBER_TOO_SLOW: { status: 429, meaning: 'Events came faster than the subscriber read them.' },
  SCHEMA_CHANGED: {
    status: 503,
    meaning: 'The schema changed several times since the subscription began: subscribe again.',
  },
  SUBSCRIPTIONS_OVER_WEBSOCKET: { status: 400, meaning: 'Subscriptions need a WebSocket, not a POST.' },
  SHUTTING_DOWN: { status: 503, meaning: 'The server is shutting down: connect again.' },

  INTERNAL_ERROR: {
    status: 500,
    meaning: 'A bug, or a broken database; the log has it under the request id.',
  },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** An outage of the database as REST and the other doors show it. */
export interface Outage {
  /** REST's code; null: the SQLSTATE. Its message is PostgREST's, or Postgres' own beside a SQLSTATE. */
  readonly restCode: 'PGRST000' | 'PGRST001' | 'PGRST003' | 'LTR504' | null;
  /** The code of every other door; its status is the status of REST, too. */
  readonly code: 'DATABASE_UNAVAILABLE' | 'DATABASE_BUSY' | 'DATABASE_SILENT';
  /** The message of every other door. */
  readonly message: string;
  /** Whether the request may have been carried out. */
  readonly mayHaveTakenEffect: boolean;
}

/**
 * Every way in which the database can be away, and what each door says then. docs/doors.md has the table, and
 * src/db/errors.ts tells which error is which outage.
 */
export const outages = {
  unreachable: {
    restCode: 'PGRST000',
    code: 'DATABASE_UNAVAILABLE',
    message: 'the database cannot be reached at the moment',
    mayHaveTakenEffect: false,
  },
  busy: {
    restCode: 'PGRST003',
    code: 'DATABASE_BUSY',
    message: 'no connection to the database became free in time',
    mayHaveTakenEffect: false,
  },
  cut: {
    restCode: 'PGRST001',
    code: 'DATABASE_UNAVAILABLE',
    message: 'the connection to the database was lost',
    mayHaveTakenEffect: true,
  },
  silent: {
    restCode: 'LTR504',
    code: 'DATABASE_SILENT',
    message: 'the database did not answer in time',
    mayHaveTakenEffect: true,
  },
  ended: {
    restCode: null,
    code: 'DATABASE_UNAVAILABLE',
    message: 'the database ended the connection',
    mayHaveTakenEffect: true,
  },
  exhausted: {
    restCode: null,
    code: 'DATABASE_UNAVAILABLE',
    message: 'the database has too little memory, disk or connections at the moment',
    mayHaveTakenEffect: false,
  },
} as const satisfies Record<string, Outage>;

/** Seconds after which a request that was answered with 503 or 429 may be sent again: the header `Retry-After`. */
export const retryAfterSeconds = '1';

/** The same while an operator has stopped all writes, which takes minutes. */
export const stoppedRetryAfterSeconds = '15';

/**
 * The HTTP statuses of our own rules, by the SQLSTATE that sql/ raises for them (sql/README.md explains each);
 * 400 for SQLSTATEs that are not listed. REST answers with that status; GraphQL shows the SQLSTATE, and the
 * code above that has the same status.
 */
export const refusalStatuses: Readonly<Record<string, 403 | 404 | 409 | 503>> = {
  LTC01: 404,
  LTC02: 409,
  LTC04: 409,
  LTC05: 409,
  LTJ01: 409,
  LTO01: 503,
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
  LTT05: 409,
  LTT06: 409,
  LTT07: 409,
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

/** A refusal that may be shown to the requester. */
export class AppError extends OperationalError {
  override name = 'AppError';
  readonly code: ErrorCode;
  readonly details: string | null;
  readonly hint: string | null;
  /** SQLSTATE of our own rule in the database, such as `LTQ02`; null for other refusals. */
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
