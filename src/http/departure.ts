import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A request whose client may disconnect before the answer. */
export interface Departure {
  /** Aborts when the client's connection closes before `end`. */
  readonly left: AbortSignal;
  /** The request is answered. Call it in any case. */
  end(): void;
}

/** The requests under way of each connection: one listener serves all that a client sends over it. */
const underWay = new WeakMap<Socket, Set<AbortController>>();

/** Watches the connection of a request until the request is answered. */
export function departureOf({ socket }: IncomingMessage): Departure {
  const controller = new AbortController();
  if (socket.destroyed) controller.abort();
  let requests = underWay.get(socket);
  if (requests === undefined) {
    const known = new Set<AbortController>();
    socket.once('close', () => {
      for (const request of known) request.abort();
    });
    underWay.set(socket, known);
    requests = known;
  }
  requests.add(controller);
  return { left: controller.signal, end: () => void requests.delete(controller) };
}
