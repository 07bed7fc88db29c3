import { OperationalError } from '../operational-error.ts';

/**
 * Every code of this dialect's own, with its HTTP status. PostgREST's, as its errors page lists them; those from
 * `LT` on are extensions. What Postgres refuses keeps its SQLSTATE (response/database-error.ts).
 */
export const restErrorCodes = {
  // The database cannot be reached, or its catalog not be read
  PGRST000: 503,
  PGRST001: 503,
  PGRST002: 503,
  PGRST003: 504,

  // The request itself
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

  // Held against the catalog
  PGRST200: 400,
  PGRST201: 300,
  PGRST202: 404,
  PGRST203: 300,
  PGRST204: 400,
  PGRST205: 404,

  // Who is asking
  PGRST300: 500,
  PGRST301: 401,
  PGRST302: 401,
  PGRST303: 401,

  // Anything else
  PGRSTX00: 500,

  // Extensions: it asks for more than one request may; the answer is too large
  LTR010: 400,
  LTR011: 400,
  // A text that no embedding is made of; the tenant is locked out; a service of Supabase's that is not here; the body is too
  // large; no embedding to be had
  LTR400: 400,
  LTR403: 403,
  LTR404: 404,
  LTR413: 413,
  LTR503: 503,
} as const satisfies Record<string, number>;

export type RestErrorCode = keyof typeof restErrorCodes;

/**
 * A refusal in PostgREST's form: `code`, `message`, `details`, `hint` make its body. `details` is text, or JSON (the
 * candidates of an ambiguous embed).
 */
export class RestError extends OperationalError {
  override name = 'RestError';
  readonly code: RestErrorCode;
  readonly details: unknown;
  readonly hint: string | null;
  /** Beside the usual ones, e.g. `WWW-Authenticate`. */
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
    return restErrorCodes[this.code];
  }
}
