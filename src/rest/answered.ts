import type { IncomingMessage } from 'node:http';
import type { Requester } from './requester.ts';

/** An answered request, for access logs and metrics. */
export interface Answered {
  readonly request: IncomingMessage;
  /** What was asked for, as `routeOf` names it; null: nothing that the catalog knows. */
  readonly route: string | null;
  readonly status: number;
  /** The code of a refusal, PostgREST's, ours or an SQLSTATE; null: the request was not refused. */
  readonly code: string | null;
  /** Null: the request was refused before it was known. */
  readonly requester: Requester | null;
  /** Null: requests have no ids here. */
  readonly requestId: string | null;
  /** From the request's headers to the answer's last byte that was handed to the socket. */
  readonly durationMs: number;
}
