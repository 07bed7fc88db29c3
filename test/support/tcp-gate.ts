import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/**
 * What becomes of a connection's bytes. `swallow`: they are taken and lost, as by a network that forgot the connection.
 * `stall`: they are not even taken. `mute`: as `swallow`, for what the server says only. A number: they arrive so many
 * milliseconds later.
 */
export type Treatment = 'pass' | 'swallow' | 'stall' | 'mute' | number;

/** A port that leads to a server for as long as it is open, and may maltreat who goes through. */
export interface TcpGate {
  readonly port: number;
  /** The same URL, through the gate. */
  through(url: string): string;
  /** Lets connections through, from now on. */
  open(): Promise<void>;
  /** Cuts off every connection and refuses new ones. Gives back how many it cut. */
  shut(): Promise<number>;
  /** Cuts off every connection, or those chosen, and goes on letting others through. Gives back how many it cut. */
  cut(chosen?: () => boolean): number;
  /** Treats the connections that there are so from now on. Gives back how many. */
  treatPresent(treatment: Treatment): number;
  /** Treats the connections that are yet to come so. */
  treatComing(treatment: Treatment): void;
  /** Bytes that were swallowed or not taken so far: whether the fault struck. */
  lost(): number;
}

interface Passage {
  readonly client: Socket;
  readonly upstream: Socket;
  treatment: Treatment;
}

/** Makes a gate in front of the server, shut. `shut` it in the end. */
export async function tcpGate(target: { readonly host: string; readonly port: number }): Promise<TcpGate> {
  const passages = new Set<Passage>();
  let coming: Treatment = 'pass';
  let lost = 0;
  const server = createServer((client) => {
    const passage: Passage = { client, upstream: connect(target), treatment: coming };
    const { upstream } = passage;
    passages.add(passage);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        const { treatment } = passage;
        if (treatment === 'swallow' || (treatment === 'mute' && from === upstream)) lost += chunk.length;
        else if (typeof treatment === 'number') setTimeout(() => to.writable && to.write(chunk), treatment);
        else if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => passage.treatment !== 'stall' && from.resume());
        }
      });
      // What breaks on one side ends the other; a network that forgot the connection tells nobody.
      from.on('end', () => {
        if (passage.treatment !== 'swallow' && passage.treatment !== 'stall') to.end();
      });
      from.on('error', () => {});
      from.on('close', () => {
        if (client.destroyed && upstream.destroyed) passages.delete(passage);
        if (passage.treatment !== 'swallow' && passage.treatment !== 'stall') to.destroy();
      });
    }
    if (coming === 'stall') stall(passage);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stall = ({ client, upstream }: Passage): void => {
    client.pause();
    upstream.pause();
    lost += 1;
  };
  const cut = (chosen: () => boolean = () => true): number => {
    const condemned = [...passages].filter((passage) => !passage.client.destroyed && chosen());
    for (const { client, upstream } of condemned) {
      client.destroy();
      upstream.destroy();
    }
    return condemned.length;
  };
  const shut = async (): Promise<number> => {
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    const count = cut();
    for (const { upstream } of passages) upstream.destroy();
    await closed;
    return count;
  };
  await shut();
  return {
    port,
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href,
    open: async () => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    shut,
    cut,
    treatPresent: (treatment) => {
      for (const passage of passages) {
        passage.treatment = treatment;
        if (treatment === 'stall') stall(passage);
      }
      return passages.size;
    },
    treatComing: (treatment) => {
      coming = treatment;
    },
    lost: () => lost,
  };
}

/** An open gate in front of the server that the URL names. */
export async function gateTo(url: string): Promise<TcpGate> {
  const { hostname, port } = new URL(url);
  const gate = await tcpGate({ host: hostname, port: Number(port || 5432) });
  await gate.open();
  return gate;
}
