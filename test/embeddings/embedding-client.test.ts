import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/secret.ts';
import { makeEmbed } from '../../src/embeddings/embedding-client.ts';
import type { EmbeddingPatience } from '../../src/embeddings/embedding-client.ts';
import { answerJson, embeddingOf, startEmbeddingsServer } from '../support/embeddings-server.ts';
import type { EmbeddingsServer } from '../support/embeddings-server.ts';

describe('the client of an embeddings endpoint', () => {
  let server: EmbeddingsServer;
  const embedWith = (patience: Partial<EmbeddingPatience> = {}) =>
    makeEmbed(
      { url: server.url, model: 'some-model', apiKey: new Secret('key-1') },
      { attempts: 3, timeoutMs: 5_000, firstPauseMs: 1, ...patience },
    );

  beforeAll(async () => {
    server = await startEmbeddingsServer();
  });
  afterEach(() => {
    server.requests.length = 0;
    server.next.length = 0;
  });
  afterAll(() => server?.close());

  test('sends texts, model and key in one request, and returns the vectors in the order of the texts', async () => {
    const vectors = await embedWith()(['one', 'two', 'three']);
    expect(vectors).toEqual(['one', 'two', 'three'].map(embeddingOf));
    expect(server.requests).toMatchObject([
      {
        path: '/v1/embeddings',
        authorization: 'Bearer key-1',
        model: 'some-model',
        input: ['one', 'two', 'three'],
      },
    ]);
  });

  test('sends no request without texts', async () => {
    expect(await embedWith()([])).toEqual([]);
    expect(server.requests).toEqual([]);
  });

  test.each([408, 429, 500, 503])('tries again after %i', async (status) => {
    server.next.push((response) => answerJson(response, status, {}));
    expect(await embedWith()(['x'])).toEqual([embeddingOf('x')]);
    expect(server.requests).toHaveLength(2);
  });

  test('tries again after a connection that breaks', async () => {
    server.next.push((response) => void response.destroy());
    expect(await embedWith()(['x'])).toEqual([embeddingOf('x')]);
    expect(server.requests).toHaveLength(2);
  });

  test('waits as long as the endpoint asks', async () => {
    server.next.push((response) => {
      response.setHeader('retry-after', '1');
      answerJson(response, 429, {});
    });
    const began = performance.now();
    await embedWith()(['x']);
    expect(performance.now() - began).toBeGreaterThan(990);
  });

  test("gives up after its attempts, with the endpoint's last answer", async () => {
    for (let i = 0; i < 3; i++)
      server.next.push((response) => answerJson(response, 503, { error: { message: `busy ${i}` } }));
    await expect(embedWith()(['x'])).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'the embeddings endpoint answered 503: busy 2',
    });
    expect(server.requests).toHaveLength(3);
  });

  test('stops waiting for an endpoint that does not answer', async () => {
    server.next.push(() => {});
    await expect(embedWith({ attempts: 1, timeoutMs: 50 })(['x'])).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'the embeddings endpoint did not answer within 50 ms',
    });
    expect(server.requests).toHaveLength(1);
  });

  test('says that the endpoint cannot be reached', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const embed = makeEmbed(
      { url: `http://127.0.0.1:${port}`, model: 'm', apiKey: null },
      { attempts: 1, timeoutMs: 1_000, firstPauseMs: 1 },
    );
    await expect(embed(['x'])).rejects.toMatchObject({
      reason: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test.each([
    [400, 'refused'],
    [413, 'refused'],
    [422, 'refused'],
    [401, 'unavailable'],
    [404, 'unavailable'],
  ])('%i is final: %s', async (status, reason) => {
    server.next.push((response) => answerJson(response, status, { error: 'no' }));
    await expect(embedWith()(['x'])).rejects.toMatchObject({
      reason,
      message: `the embeddings endpoint answered ${status}: no`,
    });
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ['no array', {}, 'the embeddings endpoint returned an object without an array `data`'],
    ['too few', { data: [] }, 'the embeddings endpoint returned 0 embeddings for 1 texts'],
    [
      'another dimension',
      { data: [{ index: 0, embedding: [1, 2] }] },
      "the model's embeddings have 2 dimensions; expected 1536: choose another EMBEDDINGS_MODEL",
    ],
    [
      'zeros',
      { data: [{ index: 0, embedding: Array(1536).fill(0) }] },
      'the embeddings endpoint returned an embedding that is not numeric, is beyond single precision, or is all zeros',
    ],
    [
      'numbers that single precision takes for zeros',
      { data: [{ index: 0, embedding: Array(1536).fill(1e-60) }] },
      'the embeddings endpoint returned an embedding that is not numeric, is beyond single precision, or is all zeros',
    ],
    [
      'numbers beyond single precision',
      { data: [{ index: 0, embedding: Array(1536).fill(1e39) }] },
      'the embeddings endpoint returned an embedding that is not numeric, is beyond single precision, or is all zeros',
    ],
    [
      'another text',
      { data: [{ index: 7, embedding: embeddingOf('x') }] },
      'the embeddings endpoint left out text 0',
    ],
  ])('an answer with %s cannot be used', async (_, body, message) => {
    server.next.push((response) => answerJson(response, 200, body));
    await expect(embedWith()(['x'])).rejects.toMatchObject({ reason: 'unusable', message });
  });

  test('ends at once when it is told to, even between two attempts', async () => {
    server.next.push((response) => answerJson(response, 503, {}));
    const stop = new AbortController();
    const running = embedWith({ firstPauseMs: 60_000 })(['x'], stop.signal);
    await expect.poll(() => server.requests.length).toBe(1);
    setTimeout(() => stop.abort(new Error('told to')), 20);
    await expect(running).rejects.toThrow('told to');
  });
});
