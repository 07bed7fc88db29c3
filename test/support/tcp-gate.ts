import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A port that leads to a server for as long as it is open. */
export interface TcpGate {
  readonly port: number;
  /** Lets connections through, from now on. */
  open(): Promise<void>;
  /** Cuts off every connection and refuses new ones. Gives back how many it cut. */
  shut(): Promise<number>;
}

/** Makes a gate in front of the server, shut. `shut` it in the end. */
export async function tcpGate(target: { readonly host: string; readonly port: number }): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      // What breaks on one side ends the other.
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const shut = async (): Promise<number> => {
    const cut = sockets.size / 2;
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    return cut;
  };
  await shut();
  return {
    port,
    open: async () => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    shut,
  };
}
