import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { App } from '../../src/api/app.ts';
import { startHttpServer } from '../../src/api/server.ts';
import type { HttpServer } from '../../src/api/server.ts';
import { answerUnreadable } from '../../src/http/unreadable-request.ts';
import { cutOffUnread, arrivalLimits } from '../../src/http/limits.ts';
import { unreadableAnswer } from '../../src/rest/response/unreadable-answer.ts';

const limits = { requestMs: 1_000, unreadMs: 1_000, idleMs: 500 };
/** The time that a wait may take beyond its limit. */
const secondMs = 1_000;
/** More bytes than the kernels of both sides buffer for a connection. */
const large = Buffer.alloc(24 * 1024 * 1024, 'x');

describe('a client', { concurrent: true }, () => {
  let server: HttpServer;
  const cutOff: string[] = [];

  beforeAll(async () => {
    const app: App = {
      traffic: () => ({ connections: 0, requests: 0, streams: 0, subscriptions: 0 }),
      attach: (http) => {
        answerUnreadable(http, unreadableAnswer);
        http.on('request', (request, response) => {
          request.resume();
          if (request.url === '/large') response.end(large);
          else if (request.url === '/events') {
            // Sends as a stream of events does: many messages, without waiting for any.
            response.writeHead(200, { 'Content-Type': 'text/event-stream' });
            for (let i = 0; i < 24; i++) response.write(large.subarray(0, 1024 * 1024));
          } else if (request.url === '/slow') setTimeout(() => response.end('at last'), 2_500);
          else request.on('end', () => response.end('ok'));
        });
      },
      refusePlain: (socket) => socket.destroy(),
      adopt: () => {},
      health: { beginDrain: () => {}, isWatched: false },
      close: async () => {},
    };
    server = await startHttpServer(app, {
      host: '127.0.0.1',
      port: 0,
      shutdownMs: 500,
      limits,
      onUnread: (address) => cutOff.push(address),
    });
  });
  afterAll(() => server?.close());

  const open = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  /** Everything that arrived until the server ended the connection, and how long that took. */
  const untilClosed = async (socket: Socket): Promise<{ text: string; ms: number }> => {
    const began = performance.now();
    let text = '';
    socket.on('data', (data) => (text += String(data)));
    await once(socket, 'close');
    return { text, ms: performance.now() - began };
  };
  /** Starts to read, and returns how much had been sent. */
  const drain = async (socket: Socket): Promise<number> => {
    let bytes = 0;
    socket.on('data', (data: Buffer) => (bytes += data.length));
    socket.resume();
    await once(socket, 'close');
    return bytes;
  };

  test.each(['/large', '/events'])('that leaves the answer at %s unread is cut off', async (path) => {
    const socket = await open();
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`);
    await pause(limits.unreadMs + 2 * secondMs);
    expect(cutOff.length).toBeGreaterThan(0);
    expect(await drain(socket)).toBeLessThan(large.length);
  });

  test('that reads only a byte now and then of a large answer is cut off', async () => {
    const socket = await open();
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nHost: here\r\n\r\n');
    const until = performance.now() + limits.unreadMs + 2 * secondMs;
    let bytes = 0;
    while (performance.now() < until) {
      bytes += (socket.read(1) as Buffer | null)?.length ?? 0;
      await pause(20);
    }
    expect(bytes + (await drain(socket))).toBeLessThan(large.length);
  });

  test('that reads a large answer slowly gets all of it', async () => {
    const socket = await open();
    socket.write('GET /large HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n');
    let bytes = 0;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      await pause(2);
    }
    expect(bytes).toBeGreaterThan(large.length);
  });

  test('that waits for an answer longer than it may leave one unread gets it', async () => {
    expect(await (await fetch(`${server.url}/slow`)).text()).toBe('at last');
  });

  test.each([
    ['nothing', ''],
    ['half of its headers', 'GET / HTTP/1.1\r\nHost: he'],
    ['half of its body', 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf'],
  ])('that sends %s is refused in time, with a code', async (_, text) => {
    const socket = await open();
    socket.write(text);
    const { text: answer, ms } = await untilClosed(socket);
    expect(ms).toBeLessThan(limits.requestMs + 2 * secondMs);
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"LTR408"/);
  });

  test('that sends its body a byte at a time is refused in time', async () => {
    const socket = await open();
    socket.write('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n');
    const drip = setInterval(() => socket.write('x'), 100);
    const { ms } = await untilClosed(socket);
    clearInterval(drip);
    expect(ms).toBeLessThan(limits.requestMs + 2 * secondMs);
  });

  test('that keeps a connection and asks nothing loses it', async () => {
    const socket = await open();
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    await once(socket, 'data');
    const { ms } = await untilClosed(socket);
    expect(ms).toBeGreaterThan(limits.idleMs - 100);
    // Node adds a second, and so do we.
    expect(ms).toBeLessThan(limits.idleMs + secondMs + secondMs);
  });
});

test('a client that reads nothing from a WebSocket is cut off as well', async () => {
  const http = createServer(arrivalLimits(limits));
  const cut: string[] = [];
  cutOffUnread(http, limits, (address) => cut.push(address));
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => socket.send(large));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as { port: number };
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  client.on('error', () => {});
  await once(client, 'open');
  client.pause();
  await pause(limits.unreadMs + 2 * secondMs);
  expect(cut).toHaveLength(1);
  client.terminate();
  sockets.close();
  http.close();
});
