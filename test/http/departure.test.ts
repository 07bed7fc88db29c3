import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { departureOf } from '../../src/http/departure.ts';
import type { Departure } from '../../src/http/departure.ts';

interface Came extends Departure {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

describe("a client's connection", () => {
  let server: Server;
  let came: Came[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => came.push({ request, response, ...departureOf(request) }));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  const client = (requests: number): Socket => {
    came = [];
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n'.repeat(requests));
    return socket;
  };
  const aborted = (): boolean[] => came.map(({ left }) => left.aborted);

  test.each([
    ['is closed', (socket: Socket) => socket.end()],
    ['is cut', (socket: Socket) => socket.resetAndDestroy()],
  ])('that %s leaves with every request that it has under way', async (_, leave) => {
    const socket = client(3);
    await vi.waitFor(() => expect(came).toHaveLength(3));
    came[0]?.end();
    came[0]?.response.end('one');
    expect(aborted()).toEqual([false, false, false]);
    leave(socket);
    await vi.waitFor(() => expect(aborted()).toEqual([false, true, true]));
    // A request that is looked at after its client left has none from the beginning.
    expect(departureOf(came[2]!.request).left.aborted).toBe(true);
  });

  test('that stays is watched by one listener, however many requests come over it', async () => {
    const socket = client(20);
    await vi.waitFor(() => expect(came).toHaveLength(20));
    const listeners = came[0]!.request.socket.listenerCount('close');
    for (const { response, end } of came) {
      end();
      response.end();
    }
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    await vi.waitFor(() => expect(came).toHaveLength(21));
    expect(came[20]!.request.socket.listenerCount('close')).toBe(listeners);
    expect(aborted().includes(true)).toBe(false);
    socket.destroy();
  });
});
