import { countedMethod, unknownRoute } from '../http/answered-request.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import type { Answered } from '../rest/answered.ts';

/** Tells of REST's requests as of those of every other door. */
export function restAnswered(mountPath: string, onAnswered: OnAnswered): (answered: Answered) => void {
  return ({ request, route, status, code, requester, requestId, durationMs }) =>
    onAnswered({
      kind: 'request',
      method: countedMethod(request.method),
      route: `${mountPath}/${route ?? unknownRoute}`,
      status,
      code,
      durationMs,
      // Null only where requests have no ids, as under `lightning rest`.
      requestId: requestId ?? '',
      claims: requester?.claims ?? null,
      headers: request.headers,
    });
}
