import type { IncomingMessage } from 'node:http';
import type { Requester } from './requester.ts';

/** An answered request, for access logs and metrics. */
export interface Answered {
  readonly request: IncomingMessage;
  /** The relation or function, as `routeOf` names it; null: the catalog knows nothing of that name. */
  readonly route: string | null;
  readonly status: number;
  /** The code of a refusal, PostgREST's, ours or an SQLSTATE; null: the request was not refused. */
  readonly code: string | null;
  /** Null: the request was refused before it was known. */
  readonly requester: Requester | null;
  /** Null: requests have no ids here. */
  readonly requestId: string | null;
  /** From the request's headers until its answer was handed to the socket. */
  readonly durationMs: number;
}
