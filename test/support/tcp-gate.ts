import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/**
 * The treatment of a connection's bytes. `swallow`: they are accepted and lost, as by a network that forgot the
 * connection. `stall`: they are not even accepted. `mute`: as `swallow`, but only for the server's bytes. A number:
 * they arrive that many milliseconds later.
 */
export type Treatment = 'pass' | 'swallow' | 'stall' | 'mute' | number;

/**
 * The treatment of a connection by the first bytes that its client sends. `reset`: it is cut before the server gets
 * them. `reset-answer`: it is cut when the server has answered, and the client gets nothing.
 */
export type FirstBytesTreatment = Treatment | 'reset' | 'reset-answer';

/** A port that leads to a server while it is open, and may mistreat the connections. */
export interface TcpGate {
  readonly port: number;
  /** The same URL, through the gate. */
  through(url: string): string;
  /** Lets connections through, from now on. */
  open(): Promise<void>;
  /** Cuts off every connection and refuses new ones. Returns how many it cut. */
  shut(): Promise<number>;
  /** Cuts off every connection, or the chosen ones, and goes on accepting others. Returns how many it cut. */
  cut(chosen?: () => boolean): number;
  /** Treats the present connections this way from now on. Returns how many there are. */
  treatPresent(treatment: Treatment): number;
  /** Treats future connections this way. */
  treatComing(treatment: Treatment): void;
  /** Treats each future connection as the function says; null: as any other. */
  treatByFirstBytes(choose: ((bytes: Buffer) => FirstBytesTreatment | null) | null): void;
  /** Number of bytes that were swallowed or not accepted so far: it tells whether the fault took effect. */
  lost(): number;
}

interface Passage {
  readonly client: Socket;
  readonly upstream: Socket;
  treatment: Treatment;
  /** Whether the client has sent something. */
  begun: boolean;
  cutsAnswer: boolean;
}

/** Creates a closed gate in front of the server. `shut` it in the end. */
export async function tcpGate(target: { readonly host: string; readonly port: number }): Promise<TcpGate> {
  const passages = new Set<Passage>();
  let coming: Treatment = 'pass';
  let lost = 0;
  let chooseByBytes: ((bytes: Buffer) => FirstBytesTreatment | null) | null = null;
  /** Returns whether the connection goes on. */
  const begin = (passage: Passage, bytes: Buffer): boolean => {
    passage.begun = true;
    const chosen = chooseByBytes?.(bytes) ?? null;
    if (chosen === 'reset') {
      passage.client.resetAndDestroy();
      passage.upstream.destroy();
      return false;
    }
    if (chosen === 'reset-answer') passage.cutsAnswer = true;
    else if (chosen !== null) passage.treatment = chosen;
    return true;
  };
  const server = createServer((client) => {
    const passage: Passage = {
      client,
      upstream: connect(target),
      treatment: coming,
      begun: false,
      cutsAnswer: false,
    };
    const { upstream } = passage;
    passages.add(passage);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        if (from === client && !passage.begun && !begin(passage, chunk)) return;
        if (from === upstream && passage.cutsAnswer) {
          client.resetAndDestroy();
          upstream.destroy();
          return;
        }
        const { treatment } = passage;
        if (treatment === 'swallow' || (treatment === 'mute' && from === upstream)) lost += chunk.length;
        else if (typeof treatment === 'number') setTimeout(() => to.writable && to.write(chunk), treatment);
        else if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => passage.treatment !== 'stall' && from.resume());
        }
      });
      // A break on one side ends the other, but a network that forgot the connection tells neither.
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
    treatByFirstBytes: (choose) => {
      chooseByBytes = choose;
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
