import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { dimensions } from './topic-vectors.ts';

/** A request that the server received. */
export interface EmbeddingsRequest {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly model: string;
  readonly input: readonly string[];
}

/** A server on the loopback interface that speaks OpenAI's embeddings API. `close` it. */
export interface EmbeddingsServer {
  /** The value for EMBEDDINGS_URL. */
  readonly url: string;
  readonly requests: EmbeddingsRequest[];
  /**
   * Answers for the next requests, one for each, in order. An answer that returns false leaves the request to the usual
   * one.
   */
  readonly next: ((response: ServerResponse, request: EmbeddingsRequest) => boolean | void)[];
  close(): Promise<void>;
}

/** A text that contains this is refused, together with its whole request. */
export const refusedWord = 'unspeakable';

/** Starts the server. Texts that share words get vectors that are close to each other. */
export async function startEmbeddingsServer(): Promise<EmbeddingsServer> {
  const requests: EmbeddingsRequest[] = [];
  const next: EmbeddingsServer['next'] = [];
  const server = createServer((request, response) => void answer(request, response));
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = JSON.parse(await text(incoming)) as { model: string; input: string[] };
    const { url: path, headers } = incoming;
    const request = { path, authorization: headers.authorization, ...body };
    requests.push(request);
    const special = next.shift();
    if (special && special(response, request) !== false) return;
    if (request.input.some((input) => input.includes(refusedWord))) {
      answerJson(response, 400, { error: { message: `will not embed ${refusedWord} texts` } });
      return;
    }
    const data = request.input.map((input, index) => ({
      object: 'embedding',
      index,
      embedding: embeddingOf(input),
    }));
    // The API does not promise their order.
    answerJson(response, 200, { object: 'list', data: data.toReversed(), model: request.model });
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    next,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Answers with JSON. */
export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** Each word moves the vector in a direction of its own. */
export function embeddingOf(input: string): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  for (const word of input.toLowerCase().match(/\w+/g) ?? ['nothing']) {
    const digest = createHash('sha256').update(word).digest();
    for (let i = 0; i < 8; i++) vector[digest.readUInt16BE(2 * i) % dimensions]! += 0.125;
  }
  return vector;
}
