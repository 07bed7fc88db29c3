import type { Server } from 'node:http';

/**
 * Accepts no new connection, lets requests in flight finish for `withinMs`, then cuts off the rest. Does nothing if
 * the server does not listen.
 */
export async function endServer(server: Server, withinMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  // Without this, a connection whose request is answered now would be kept open for another request.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const deadline = setTimeout(() => server.closeAllConnections(), withinMs);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}
