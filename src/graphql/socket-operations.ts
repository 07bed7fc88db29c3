import type { Claims } from '../auth/claims.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import type { Leave } from '../http/traffic.ts';

/** An operation that a WebSocket asks for. */
export interface SocketOperation {
  readonly requestId: string;
  readonly claims: Claims;
  readonly isSubscription: boolean;
  /** Called when it ends. */
  readonly leave: Leave;
}

/** The operations of one WebSocket that are under way. Each is told of when it ends. */
export class SocketOperations {
  readonly #onAnswered: OnAnswered;
  readonly #underWay = new Map<string, SocketOperation & { readonly began: number; code: string | null }>();

  constructor(onAnswered: OnAnswered) {
    this.#onAnswered = onAnswered;
  }

  /** @param id the client's, unique among those under way */
  begin(id: string, operation: SocketOperation): void {
    this.#underWay.set(id, { ...operation, began: performance.now(), code: null });
  }

  has(id: string): boolean {
    return this.#underWay.has(id);
  }

  /** Notes that an answer to the operation has errors. */
  noteErrors(id: string, code: string): void {
    const operation = this.#underWay.get(id);
    if (operation) operation.code ??= code;
  }

  /** The operation is complete. Does nothing for one that never began. */
  end(id: string): void {
    const operation = this.#underWay.get(id);
    if (!operation) return;
    this.#underWay.delete(id);
    operation.leave();
    const { isSubscription, code, began, requestId, claims } = operation;
    this.#onAnswered({
      ...ofSockets,
      kind: isSubscription ? 'stream' : 'request',
      status: 200,
      code,
      durationMs: performance.now() - began,
      requestId,
      claims,
    });
  }

  /** Tells of an operation that was refused before it began. */
  refuse(requestId: string, claims: Claims | null, status: number, code: string): void {
    this.#onAnswered({ ...ofSockets, kind: 'request', status, code, durationMs: 0, requestId, claims });
  }

  endAll(): void {
    for (const id of this.#underWay.keys()) this.end(id);
  }
}

/** Frames have no headers. */
const ofSockets = { method: 'WS', route: '/graphql', headers: null } as const;
