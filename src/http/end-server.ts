import type { Server } from 'node:http';

/** Takes no new connection, lets requests in flight end for `withinMs`, then cuts off what is left. Of a server that does not listen: nothing. */
export async function endServer(server: Server, withinMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  // A connection whose request is answered now would be kept for another one.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const deadline = setTimeout(() => server.closeAllConnections(), withinMs);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}
