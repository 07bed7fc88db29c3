import { connect } from 'node:net';

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export type Random = () => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What came back for the bytes of one case. */
export interface Outcome {
  readonly kind: string;
  /** Null: the server closed the connection without an answer. */
  readonly status: number | null;
  /** Whether the server did neither within the time. */
  readonly hung: boolean;
  /** The beginning of what was sent, to read. */
  readonly sent: string;
}

const answersWithinMs = 20_000;

const paths = [
  '/rest/v1/agents',
  '/rest/v1/tasks?select=*',
  '/rest/v1/rpc/enqueue_task',
  '/rest/v1/',
  '/graphql',
  '/events',
  '/graphiql',
  '/',
  '/healthz',
];
const methods = ['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'HEAD', 'OPTIONS'];

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
const number = (random: Random, most: number): number => Math.floor(random() * most);

/** Bytes of any kind, as latin1. */
function noise(random: Random, most: number): string {
  return Array.from({ length: number(random, most) }, () => String.fromCharCode(number(random, 256))).join(
    '',
  );
}

/** The same without what would end a header. */
const headerNoise = (random: Random, most: number): string =>
  noise(random, most).replaceAll(/[\r\n\0]/g, '~');

function badToken(random: Random, token: string): string {
  const parts = token.split('.');
  const part = number(random, 3);
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return pick<() => string>(random, [
    () => token.slice(0, number(random, token.length)),
    () => token + headerNoise(random, 20),
    () => parts.map((each, i) => (i === part ? headerNoise(random, 60) : each)).join('.'),
    () =>
      `${encoded({ alg: pick(random, ['none', 'HS512', 'RS256', 1, null, {}, 'hs256']) })}.${parts[1]}.${parts[2]}`,
    () => `${encoded({ alg: 'HS256', kid: headerNoise(random, 50), crit: ['x'] })}.${parts[1]}.${parts[2]}`,
    () =>
      `${parts[0]}.${encoded({ role: pick(random, ['admin', 'postgres', null, 7, []]), exp: pick(random, [Number.MAX_VALUE, -1, '1', {}]) })}.${parts[2]}`,
    () => `${parts[0]}.${Buffer.from('['.repeat(number(random, 20_000))).toString('base64url')}.${parts[2]}`,
    () => 'x'.repeat(number(random, 60_000)),
    () => '.'.repeat(number(random, 500)),
    () => `lts_${headerNoise(random, 80)}`,
  ])();
}

function badBody(random: Random): string {
  return pick<() => string>(random, [
    () => noise(random, 2_000),
    () => '['.repeat(number(random, 50_000)),
    () => '{"a":'.repeat(number(random, 20_000)),
    () => '{"query":' + JSON.stringify(noise(random, 500)) + '}',
    () => `{"query":"{ agents ${'{ nodes '.repeat(number(random, 200))}"}`,
    () =>
      JSON.stringify({
        query: pick(random, [1, null, [], {}, true]),
        variables: pick(random, ['x', 7, [1]]),
      }),
    () =>
      JSON.stringify([
        { id: noise(random, 30), name: number(random, 10), model: null, extra: noise(random, 30) },
      ]),
    () => JSON.stringify({ __proto__: null, constructor: { prototype: 1 }, '': '' }),
    () => `{"a":"\\u${noise(random, 4)}"}`,
    () => '﻿null',
  ])();
}

/** One request that somebody could send, as bytes. */
function badRequest(random: Random, token: string): { readonly kind: string; readonly bytes: Buffer } {
  const kind = pick(random, ['token', 'header', 'cookie', 'body', 'line']);
  const [method, path] = [pick(random, methods), pick(random, paths)];
  const line = `${method} ${path} HTTP/1.1`;
  const lines = ['Host: x', 'Connection: close'];
  let body = '';
  if (kind === 'token')
    lines.push(
      `${pick(random, ['Authorization: Bearer', 'Authorization:', 'apikey:'])} ${badToken(random, token)}`,
    );
  else if (random() < 0.7) lines.push(`Authorization: Bearer ${token}`);
  if (kind === 'cookie') lines.push(`Cookie: ${headerNoise(random, 4_000)}`);
  if (kind === 'header') {
    const names = [
      'Accept',
      'Prefer',
      'Range',
      'Accept-Profile',
      'Content-Profile',
      'X-Request-Id',
      'Last-Event-ID',
      'Origin',
      'Content-Length',
      'Transfer-Encoding',
      'Upgrade',
      'Expect',
      'If-None-Match',
      'Accept-Encoding',
      'X-Forwarded-For',
      'Sec-WebSocket-Key',
      headerNoise(random, 12),
    ];
    for (let i = number(random, 8); i >= 0; i--)
      lines.push(`${pick(random, names)}: ${headerNoise(random, 300)}`);
  }
  if (kind === 'body') {
    body = badBody(random);
    const length = random() < 0.8 ? Buffer.byteLength(body, 'latin1') : number(random, 10_000);
    lines.push(
      `Content-Type: ${pick(random, ['application/json', 'text/csv', 'application/x-www-form-urlencoded', 'application/octet-stream', headerNoise(random, 30)])}`,
    );
    lines.push(random() < 0.8 ? `Content-Length: ${length}` : 'Transfer-Encoding: chunked');
  }
  const first =
    kind === 'line'
      ? pick(random, [
          noise(random, 200),
          `${method} ${path}?${headerNoise(random, 300)} HTTP/1.1`,
          `${headerNoise(random, 9)} ${path} HTTP/9.9`,
          `${method} /%${headerNoise(random, 40)} HTTP/1.1`,
        ])
      : line;
  return { kind, bytes: Buffer.from(`${first}\r\n${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1') };
}

/** A handshake, and what follows it: frames that are broken, or whole ones with a broken message. */
function badSocket(random: Random, token: string): { readonly kind: string; readonly bytes: Buffer } {
  const handshake = [
    `GET ${pick(random, ['/graphql', '/realtime/v1/websocket'])} HTTP/1.1`,
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: graphql-transport-ws',
  ];
  const message = pick<() => string>(random, [
    () => noise(random, 500),
    () =>
      JSON.stringify({
        type: pick(random, ['connection_init', 'subscribe', 'ping', 'nothing', 7]),
        id: pick(random, ['1', 1, null]),
        payload: pick(random, [
          null,
          'x',
          {},
          { authorization: badToken(random, token) },
          { query: noise(random, 99) },
        ]),
      }),
    () => '['.repeat(number(random, 9_000)),
  ])();
  const frames = random() < 0.4 ? Buffer.from(noise(random, 400), 'latin1') : frameOf(random, message);
  return { kind: 'frame', bytes: Buffer.concat([Buffer.from(`${handshake.join('\r\n')}\r\n\r\n`), frames]) };
}

function frameOf(random: Random, text: string): Buffer {
  const payload = Buffer.from(text, 'latin1');
  const opcode = pick(random, [0x81, 0x81, 0x81, 0x82, 0x01, 0x88, 0x89, 0x8a, 0xf1, 0x83]);
  const head =
    payload.length < 126
      ? [opcode, 0x80 | payload.length]
      : [opcode, 0x80 | 126, (payload.length >> 8) & 255, payload.length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

/** Sends so many cases, some at a time, and returns what became of each. */
export async function sendMalformed(
  url: string,
  token: string,
  {
    count,
    random,
    atOnce = 8,
  }: { readonly count: number; readonly random: Random; readonly atOnce?: number },
): Promise<Outcome[]> {
  const cases = Array.from({ length: count }, () =>
    random() < 0.2 ? badSocket(random, token) : badRequest(random, token),
  );
  const outcomes: Outcome[] = [];
  const sender = async (): Promise<void> => {
    for (let next = cases.pop(); next !== undefined; next = cases.pop()) outcomes.push(await send(url, next));
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
  return outcomes;
}

function send(
  url: string,
  { kind, bytes }: { readonly kind: string; readonly bytes: Buffer },
): Promise<Outcome> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let received = '';
    let hung = false;
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const timer = setTimeout(() => {
      hung = received === '';
      socket.destroy();
    }, answersWithinMs);
    socket.on('data', (data) => {
      if (received.length < 20) received += data.toString('latin1');
      // Streams and open WebSockets go on until they are left.
      if (/^HTTP\/1\.1 (101|200)/.test(received)) setTimeout(() => socket.destroy(), 20);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1];
      resolve({
        kind,
        hung,
        status: status === undefined ? null : Number(status),
        sent: bytes.toString('latin1').slice(0, 300),
      });
    });
    // The end of our side: a request that says it is longer than it is does not keep anybody waiting.
    socket.end(bytes);
  });
}
