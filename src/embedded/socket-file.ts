import { createConnection } from 'node:net';
import { join } from 'node:path';

/** Path of a data directory's socket: where Postgres' clients look for it. */
export function socketPath(dataDirectory: string): string {
  return join(dataDirectory, '.s.PGSQL.5432');
}

/**
 * Whether a process listens on the socket of a data directory. The file alone proves nothing, because it
 * outlives a process that was killed. Works across containers that share the directory. Waits two seconds for
 * an answer at most.
 */
export function isListening(dataDirectory: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = createConnection(socketPath(dataDirectory));
    const end = (listening: boolean) => {
      socket.destroy();
      settle(listening);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.setTimeout(2000, () => end(false));
  });
}
