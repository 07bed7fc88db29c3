import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A way to a server that keeps what clients send on it. */
export interface SentBytes {
  /** The same URL, on this way. */
  through(url: string): string;
  /** Everything that was sent so far. */
  text(): string;
  close(): Promise<void>;
}

/** Opens a way to the server of a URL. A statement that is not sent on it cannot be in the server's log. */
export async function recordSentBytes(serverUrl: string): Promise<SentBytes> {
  const { hostname, port } = new URL(serverUrl);
  const sent: Buffer[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on('data', (chunk: Buffer) => sent.push(chunk));
    client.pipe(upstream).pipe(client);
    for (const end of [client, upstream]) end.on('error', () => {});
    client.on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = String((server.address() as AddressInfo).port);
  return {
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: own }).href,
    text: () => Buffer.concat(sent).toString('latin1'),
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
