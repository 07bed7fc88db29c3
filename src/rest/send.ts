import type { ServerResponse } from 'node:http';
import { headerBytes } from './response/header-syntax.ts';
import type { Header, RestResponse } from './response/rest-response.ts';

/** Sends an answer, with further headers after its own. Does nothing when the client has gone. */
export function send(response: ServerResponse, answer: RestResponse, further: readonly Header[]): void {
  if (response.destroyed) return;
  // A flat list keeps order and repetitions (Set-Cookie), and costs less than a call for each.
  const headers: string[] = [];
  for (const [name, value] of answer.headers) headers.push(name, headerBytes(value));
  for (const [name, value] of further) headers.push(name, headerBytes(value));
  if (answer.reason === undefined) response.writeHead(answer.status, headers);
  else response.writeHead(answer.status, answer.reason.replaceAll(/[^\t\x20-\x7e]/g, '?'), headers);
  if (answer.body === null) response.end();
  else response.end(answer.body);
}
