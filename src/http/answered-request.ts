import type { IncomingMessage } from 'node:http';
import type { Claims } from '../auth/claims.ts';

/** A request that was answered or given up, as the log, metrics and traces take it, whichever door it came by. */
export interface AnsweredRequest {
  /**
   * `stream`: a stream of events or a WebSocket, which lasts as long as its client likes. `probe`: a look at this process's
   * health. `request`: all others, each operation of a WebSocket among them.
   */
  readonly kind: 'request' | 'stream' | 'probe';
  /** `GET` to `OPTIONS`; `WS` for an operation of a WebSocket; `OTHER` for methods that HTTP does not name. */
  readonly method: string;
  /**
   * The template of the path: `/rest/v1/tasks`, `/graphql`. What clients make up becomes `{unknown}`, so that there are as many
   * values as there are doors, relations and functions.
   */
  readonly route: string;
  /** 499 where the client left before the answer, 101 for a WebSocket. */
  readonly status: number;
  /** The code of a refusal, as the answer has it; null: the request was not refused. */
  readonly code: string | null;
  readonly durationMs: number;
  readonly requestId: string;
  /** Null: the request was refused before its requester was known. */
  readonly claims: Claims | null;
  /** The request's headers, for what its sender wants it to be found by (`traceparent`); null: it was not readable. */
  readonly headers: IncomingMessage['headers'] | null;
}

/** Gets each request once, after its answer. It must not throw. */
export type OnAnswered = (answered: AnsweredRequest) => void;

/** The route of a path that no door knows. */
export const unknownRoute = '{unknown}';

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The method as it is counted. */
export function countedMethod(method: string | undefined): string {
  return method !== undefined && methods.has(method) ? method : 'OTHER';
}
