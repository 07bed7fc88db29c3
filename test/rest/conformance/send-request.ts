import { request } from 'node:http';
import type { Agent } from 'node:http';
import type { Exchange } from './conformance-case.ts';

/** The answer. */
export interface Answer {
  readonly status: number;
  /** In order, with names as they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body's bytes as UTF-8. */
  readonly body: string;
}

/** Sends a request as an ordinary client would: a body without a content type is JSON, and text is sent as UTF-8. */
export function sendRequest(
  origin: string,
  agent: Agent,
  { method, target, headers, body }: Pick<Exchange, 'method' | 'target' | 'headers' | 'body'>,
  authorization: string | null,
): Promise<Answer> {
  const url = new URL(origin);
  const flat = headers.flatMap(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]);
  const has = (wanted: string) => headers.some(([name]) => name.toLowerCase() === wanted);
  flat.push('Host', url.host);
  if (authorization !== null) flat.push('Authorization', authorization);
  if (body !== null && !has('content-type')) flat.push('Content-Type', 'application/json');
  if (body !== null) flat.push('Content-Length', String(Buffer.byteLength(body)));
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, host: url.hostname, port: url.port, method, path: encodeTarget(target), headers: flat },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const raw = response.rawHeaders;
          const answered: (readonly [string, string])[] = [];
          for (let at = 0; at < raw.length; at += 2)
            answered.push([raw[at] ?? '', Buffer.from(raw[at + 1] ?? '', 'latin1').toString('utf8')]);
          resolve({
            status: response.statusCode ?? 0,
            headers: answered,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

/** Percent-encodes the characters that HTTP does not allow in a URL; encoded ones stay. */
function encodeTarget(target: string): string {
  return encodeURI(target).replaceAll(/%25([0-9A-Fa-f]{2})/g, '%$1');
}
