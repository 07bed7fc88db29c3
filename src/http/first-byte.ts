import type { Server } from 'node:https';
import type { Socket } from 'node:net';

/** Time for the first byte of a connection, and for the handshake of TLS after it. */
export const handshakeMs = 10_000;

/** The first byte of every handshake of TLS. */
const handshakeByte = 0x16;

/**
 * Has a server of HTTPS answer those who speak plain HTTP to it, where node would close the connection without a word.
 *
 * @param onPlain gets the connection of a client that speaks something else than TLS
 * @returns a function that closes connections which are not encrypted yet: a server that ends would wait for them
 */
export function answerPlain(server: Server, onPlain: (socket: Socket) => void): () => void {
  // node's own listener: it begins the handshake.
  const [begin] = server.listeners('connection');
  if (begin === undefined) throw new Error('node no longer takes connections of TLS by this event');
  server.removeAllListeners('connection');
  const unencrypted = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    unencrypted.add(socket);
    socket.once('close', () => unencrypted.delete(socket));
    socket.setTimeout(handshakeMs, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      socket.unshift(bytes);
      socket.setTimeout(0);
      if (bytes[0] === handshakeByte) begin.call(server, socket);
      else onPlain(socket);
    });
  });
  server.on('secureConnection', (encrypted) => {
    const { _parent: parent } = encrypted as unknown as { readonly _parent?: Socket };
    if (parent !== undefined) unencrypted.delete(parent);
  });
  return () => {
    for (const socket of unencrypted) socket.destroy();
  };
}
