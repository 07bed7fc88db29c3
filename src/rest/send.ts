import type { ServerResponse } from 'node:http';
import { headerBytes } from './response/header-syntax.ts';
import type { Header, RestResponse } from './response/rest-response.ts';

/** Sends an answer, with further headers after its own. Does nothing if the client has disconnected. */
export function send(response: ServerResponse, answer: RestResponse, further: readonly Header[]): void {
  if (response.destroyed) return;
  // A flat list keeps order and repetitions (Set-Cookie), and costs less than a call per header.
  const headers: string[] = [];
  let beyondAscii = false;
  for (const part of [answer.headers, further]) {
    for (const [name, value] of part) {
      const bytes = headerBytes(value);
      if (bytes !== value) beyondAscii = true;
      headers.push(name, bytes);
    }
  }
  if (answer.reason === undefined) response.writeHead(answer.status, headers);
  else response.writeHead(answer.status, answer.reason.replaceAll(/[^\t\x20-\x7e]/g, '?'), headers);
  const { body } = answer;
  if (body === null) response.end();
  // Node sends the headers together with a text body and encodes both as UTF-8, which would encode headers twice that
  // are bytes already.
  else response.end(beyondAscii && typeof body === 'string' ? Buffer.from(body) : body);
}
