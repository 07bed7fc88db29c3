import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RequestHandler } from 'express';
import { WebSocketServer } from 'ws';
import type { RawData } from 'ws';
import { noteRefusal } from '../http/tell-answered.ts';
import { RestError } from './errors.ts';
import { errorResponse } from './response/error-response.ts';
import { send } from './send.ts';

/** Services other than REST that Supabase's clients call, and what exists here in their place. */
export const supabaseServices = {
  '/auth/v1': {
    lacks: 'this server has no sign-in',
    instead:
      'Give the client a token as its key: `lightning token` prints one, any service signs one with JWT_SECRET, and rpc/create_session makes one for a user.',
  },
  '/storage/v1': {
    lacks: 'this server stores no files',
    instead: 'Texts belong in the table knowledge, JSON in the columns of that type.',
  },
  '/realtime/v1': {
    lacks: "this server does not speak Supabase's realtime protocol",
    instead:
      'Changes of tasks, workflows, agents, threads and messages come as server-sent events, GET /events, and as GraphQL subscriptions at /graphql.',
  },
  '/functions/v1': {
    lacks: 'this server has no edge functions',
    instead: 'Functions of the database are at /rest/v1/rpc/<name>, or rpc(name) of the client.',
  },
} as const;

type ServicePath = keyof typeof supabaseServices;

/** Answers with what exists in place of a service, in the form that Supabase's clients show: 404 with LTR404. */
export function insteadOf(path: ServicePath): RequestHandler {
  return (request, response) => {
    request.resume();
    const { lacks, instead } = supabaseServices[path];
    const error = new RestError('LTR404', `${lacks}: ${instead}`, { details: `there is nothing at ${path}` });
    const answer = errorResponse(error, 'verbose');
    noteRefusal(response, error.code);
    send(response, request.method === 'HEAD' ? { ...answer, body: null } : answer, [
      ['Cache-Control', 'no-store'],
    ]);
  };
}

/** Closes a client that joins no channel within this time. */
const joinWithinMs = 10_000;
/** Our own close code, after HTTP's, as in src/graphql/websocket.ts. */
const notFoundCloseCode = 4404;

/** WebSockets of Supabase's realtime. `subscribe` fails with the reason, which a refused handshake would not show. */
export interface RealtimeRefusals {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

/** Refuses every join of a channel the way Phoenix does, and ends the connection. */
export function makeRealtimeRefusals(): RealtimeRefusals {
  const { lacks, instead } = supabaseServices['/realtime/v1'];
  const reason = `${lacks}: ${instead}`;
  const server = new WebSocketServer({ noServer: true, maxPayload: 65_536 });
  server.on('connection', (socket) => {
    const end = (): void => socket.close(notFoundCloseCode, lacks);
    const timer = setTimeout(end, joinWithinMs);
    socket.on('close', () => clearTimeout(timer));
    // A frame was broken or the connection was lost; `close` follows.
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const reply = joinRefusal(data, reason);
      if (reply !== null) socket.send(reply, end);
    });
  });
  return {
    handleUpgrade: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (webSocket) =>
        server.emit('connection', webSocket, request),
      ),
    close: () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/**
 * The reply to a `phx_join`, in the serialization of the message (Phoenix, 1.0.0 or 2.0.0); null: it is another
 * message.
 */
function joinRefusal(data: RawData, reason: string): string | null {
  let message: unknown;
  try {
    message = JSON.parse(String(data));
  } catch {
    return null;
  }
  const payload = { status: 'error', response: { reason } };
  if (Array.isArray(message)) {
    const [joinRef, ref, topic, event] = message as readonly unknown[];
    return event === 'phx_join' ? JSON.stringify([joinRef, ref, topic, 'phx_reply', payload]) : null;
  }
  const { topic, event, ref, join_ref: joinRef } = (message ?? {}) as Readonly<Record<string, unknown>>;
  if (event !== 'phx_join') return null;
  return JSON.stringify({ topic, event: 'phx_reply', payload, ref, join_ref: joinRef });
}
