import type { AnsweredRequest, OnAnswered } from '../http/answered-request.ts';
import type { Log, LogEntry } from '../log.ts';

/**
 * Writes one entry for each request. It has the template of the path and never the path itself, a query, a header or a value,
 * so nothing that a client sends can put a secret into the log; only the request's id is the client's own, and that is checked.
 *
 * @param slowMs requests that took so long are warnings; asked for each
 */
export function logRequests(log: Log, slowMs: () => number): OnAnswered {
  return (answered) => {
    const { kind, method, route, status, code, durationMs, requestId, claims } = answered;
    const isSlow = kind === 'request' && durationMs >= slowMs();
    log({
      level: levelOf(answered, isSlow),
      event: 'request',
      message: `${method} ${route} ${status}${code === null ? '' : ` ${code}`} ${inWords(durationMs)}${isSlow ? ', which is slow' : ''}`,
      requestId,
      method,
      route,
      status,
      ...(code !== null && { code }),
      durationMs: Math.round(durationMs * 10) / 10,
      tenantId: claims?.tenantId ?? null,
      subject: claims?.subject ?? null,
      role: claims?.role ?? null,
    });
  };
}

function levelOf({ kind, status, code }: AnsweredRequest, isSlow: boolean): LogEntry['level'] {
  if (kind === 'probe') return 'debug';
  // GraphQL answers 200 where other fields have values.
  if (status >= 500 || code === 'INTERNAL_ERROR') return 'error';
  return code !== null || isSlow ? 'warning' : 'info';
}

function inWords(durationMs: number): string {
  return durationMs < 1000 ? `${durationMs.toFixed(1)} ms` : `${(durationMs / 1000).toFixed(1)} s`;
}
