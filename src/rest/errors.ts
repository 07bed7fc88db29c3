import { OperationalError } from '../operational-error.ts';

/**
 * PostgREST's codes, each with its HTTP status; PostgREST's errors page explains them. An error of Postgres keeps its
 * SQLSTATE (response/database-error.ts).
 */
const postgrestStatuses = {
  // The database cannot be reached, or its catalog cannot be read.
  PGRST000: 503,
  PGRST001: 503,
  PGRST002: 503,
  PGRST003: 504,

  // The request itself is at fault.
  PGRST100: 400,
  PGRST101: 405,
  PGRST102: 400,
  PGRST103: 416,
  PGRST105: 405,
  PGRST106: 406,
  PGRST107: 406,
  PGRST108: 400,
  PGRST111: 500,
  PGRST112: 500,
  PGRST114: 400,
  PGRST115: 400,
  PGRST116: 406,
  PGRST117: 405,
  PGRST118: 400,
  PGRST120: 400,
  PGRST121: 500,
  PGRST122: 400,
  PGRST123: 400,
  PGRST124: 400,
  PGRST125: 404,
  PGRST126: 404,
  PGRST127: 400,
  PGRST128: 400,

  // The request does not fit the catalog.
  PGRST200: 400,
  PGRST201: 300,
  PGRST202: 404,
  PGRST203: 300,
  PGRST204: 400,
  PGRST205: 404,

  // The requester is not accepted.
  PGRST300: 500,
  PGRST301: 401,
  PGRST302: 401,
  PGRST303: 401,

  // Anything else.
  PGRSTX00: 500,
} as const satisfies Record<string, number>;

/** SQLSTATEs of what is refused in Postgres's place, because more can be said about it here. */
const sqlStates = { '42P10': 400, '42501': 403 } as const satisfies Record<string, number>;

/**
 * Our own codes. Each means one thing and is never reused for another: a retired code stays listed. The table in
 * docs/rest.md is made from them.
 */
export const ownCodes = {
  LTR010: {
    status: 400,
    meaning:
      'The request has more columns, conditions or keys than one request may, nests too deep, or has numbers that print too long.',
  },
  LTR011: { status: 400, meaning: 'The answer would have more than `MAX_ANSWER_BYTES`.' },
  LTR012: { status: 400, meaning: 'The text to search for cannot be embedded.' },
  LTR400: { status: 400, meaning: 'The request is not HTTP/1.1.' },
  LTR403: { status: 403, meaning: "The token's tenant is suspended." },
  LTR404: {
    status: 404,
    meaning: 'This service of Supabase does not exist here; the message names what exists instead.',
  },
  LTR408: { status: 408, meaning: 'The request did not arrive in time.' },
  LTR413: { status: 413, meaning: 'The body is larger than `MAX_BODY_BYTES`.' },
  LTR429: {
    status: 429,
    meaning:
      'The address, the tenant or the subject asks for more at a time than it may ([limits.md](limits.md)).',
  },
  LTR431: { status: 431, meaning: 'The URL and the headers are too long.' },
  LTR503: {
    status: 503,
    meaning:
      'The embedding endpoint, or the address of the published keys (`JWT_KEYS_URL`), does not answer as it should at the moment.',
  },
  LTR504: {
    status: 504,
    meaning: 'The database did not answer in time ([waits.md](waits.md)): the request may have taken effect.',
  },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>;

export type RestErrorCode = keyof typeof postgrestStatuses | keyof typeof sqlStates | keyof typeof ownCodes;

/**
 * A refusal in PostgREST's form: `code`, `message`, `details` and `hint` make up its body. `details` is text, or JSON
 * (the candidates of an ambiguous embed).
 */
export class RestError extends OperationalError {
  override name = 'RestError';
  readonly code: RestErrorCode;
  readonly details: unknown;
  readonly hint: string | null;
  /** Headers besides the usual ones, for example `WWW-Authenticate`. */
  readonly headers: readonly (readonly [name: string, value: string])[];

  constructor(
    code: RestErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly details?: unknown;
      readonly hint?: string | null;
      readonly headers?: readonly (readonly [name: string, value: string])[];
    } = {},
  ) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? null;
    this.hint = options.hint ?? null;
    this.headers = options.headers ?? [];
  }

  /** The HTTP status of the code. */
  get status(): number {
    return isOwn(this.code) ? ownCodes[this.code].status : { ...postgrestStatuses, ...sqlStates }[this.code];
  }
}

function isOwn(code: RestErrorCode): code is keyof typeof ownCodes {
  return code in ownCodes;
}
