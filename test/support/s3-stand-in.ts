// A stand-in for S3, without a real server: objects in memory, and as much of the protocol as the store of backups
// speaks. It checks signatures (SigV4) and digests of bodies, keeps ETags, multipart uploads and pages of listings,
// and it can fail. It does not have permissions, versions, limits, or checksums other than SHA-256, so S3's own
// limits are not tested with it.

import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Secret } from '../../src/config/secret.ts';
import type { ObjectStorage } from './object-storage.ts';

/**
 * How a request is treated. `pass`: as usual. `unavailable`: it is answered with 503. `cut`: its connection breaks
 * after half of its body has arrived. `silent`: it is never answered. `cut-answer` and `silent-answer`: the connection
 * breaks, or goes silent, after half of the answer's body was sent.
 */
export type Fault = 'pass' | 'unavailable' | 'cut' | 'silent' | 'cut-answer' | 'silent-answer';

export interface S3StandIn extends ObjectStorage {
  /** Decides how each request is treated from now on. */
  onRequest: (request: IncomingMessage) => Fault;
  /** Each request, such as `PUT /bucket/key?partNumber=1`, and how it was treated. */
  readonly requests: { readonly line: string; readonly fault: Fault }[];
  /** Multipart uploads that were neither completed nor aborted. */
  readonly unfinished: number;
}

const bucket = 'backups';
const accessKeyId = 'stand-in';
const secretAccessKey = 'the secret of the stand-in';
const region = 'us-east-1';
/** Keys per page of a listing; S3 has 1,000. */
const keysPerPage = 50;

interface Stored {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** A refusal in S3's format. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export async function startS3StandIn(): Promise<S3StandIn> {
  const objects = new Map<string, Stored>();
  const uploads = new Map<string, Map<number, Stored>>();
  const requests: S3StandIn['requests'] = [];
  let prefixes = 0;
  let lastUpload = 0;

  const server = createServer((request, response) => void serve(request, response));
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const fault = standIn.onRequest(request);
    requests.push({ line: `${request.method} ${request.url}`, fault });
    try {
      if (fault === 'unavailable') throw new Refusal(503, 'SlowDown');
      const body = await readBody(request, fault === 'cut');
      if (!body || fault === 'silent') return;
      checkSignature(request, body);
      const url = new URL(request.url ?? '', 'http://stand-in');
      const key = decodeURIComponent(url.pathname.slice(1));
      if (!key.startsWith(bucket)) throw new Refusal(404, 'NoSuchBucket');
      answer(response, run(request, key.slice(bucket.length + 1), url.searchParams, body), fault);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      request.resume();
      answer(response, { status: error.status, body: xml('Error', `<Code>${error.code}</Code>`) }, 'pass');
    }
  };

  const run = (
    { method, headers }: IncomingMessage,
    key: string,
    query: URLSearchParams,
    body: Buffer,
  ): Answer => {
    const uploadId = query.get('uploadId');
    if (uploadId !== null) {
      const parts = uploads.get(uploadId);
      if (!parts) throw new Refusal(404, 'NoSuchUpload');
      if (method === 'PUT') {
        const stored = store(body);
        parts.set(Number(query.get('partNumber')), stored);
        return { status: 200, headers: { etag: stored.etag } };
      }
      uploads.delete(uploadId);
      if (method === 'DELETE') return { status: 204 };
      const named = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => {
        const found = parts.get(Number(/<PartNumber>(\d+)/.exec(part)?.[1]));
        const etag = /<ETag>(.*?)<\/ETag>/.exec(part)?.[1]?.replaceAll('&quot;', '"');
        if (!found || found.etag !== etag) throw new Refusal(400, 'InvalidPart');
        return found.bytes;
      });
      objects.set(key, store(Buffer.concat(named)));
      return { status: 200, body: xml('CompleteMultipartUploadResult', `<Key>${key}</Key>`) };
    }
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${++lastUpload}`;
      uploads.set(id, new Map());
      return { status: 200, body: xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`) };
    }
    if (method === 'GET' && query.get('list-type') === '2') return list(query);
    if (method === 'PUT') {
      const stored = store(body);
      objects.set(key, stored);
      return { status: 200, headers: { etag: stored.etag } };
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return { status: 204 };
    }
    const found = objects.get(key);
    if (method !== 'GET') throw new Refusal(405, 'MethodNotAllowed');
    if (!found) throw new Refusal(404, 'NoSuchKey');
    if (headers['if-match'] !== undefined && headers['if-match'] !== found.etag) {
      throw new Refusal(412, 'PreconditionFailed');
    }
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    return { status: from > 0 ? 206 : 200, headers: { etag: found.etag }, body: found.bytes.subarray(from) };
  };

  const list = (query: URLSearchParams): Answer => {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, keysPerPage);
    const contents = page.map(
      (key) => `<Contents><Key>${key}</Key><Size>${objects.get(key)?.bytes.length}</Size></Contents>`,
    );
    const more = keys.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    return {
      status: 200,
      body: xml('ListBucketResult', `<IsTruncated>${more}</IsTruncated>${next}${contents.join('')}`),
    };
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const standIn: S3StandIn = {
    location: () => ({
      kind: 's3',
      bucket,
      prefix: `p${++prefixes}/`,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null },
    }),
    onRequest: () => 'pass',
    requests,
    get unfinished() {
      return uploads.size;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return standIn;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
}

function store(bytes: Buffer): Stored {
  return { bytes, etag: `"${createHash('md5').update(bytes).digest('hex')}"` };
}

function xml(tag: string, content: string): Buffer {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<${tag}>${content}</${tag}>`);
}

function answer(
  response: ServerResponse,
  { status, headers, body = Buffer.alloc(0) }: Answer,
  fault: Fault,
): void {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  if (fault !== 'cut-answer' && fault !== 'silent-answer') {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, body.length >> 1), () => {
    if (fault === 'cut-answer') response.destroy();
  });
}

/** Null when the connection broke, by itself or because of `cut`. */
async function readBody(request: IncomingMessage, cut: boolean): Promise<Buffer | null> {
  const half = Number(request.headers['content-length'] ?? 0) / 2;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (cut && bytes >= half) {
        request.socket.destroy();
        return null;
      }
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

/** The signature as defined by https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. */
function checkSignature({ method, url = '', headers }: IncomingMessage, body: Buffer): void {
  const [, scope = '', signedHeaders = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const digest = String(headers['x-amz-content-sha256']);
  if (digest !== createHash('sha256').update(body).digest('hex')) {
    throw new Refusal(400, 'XAmzContentSHA256Mismatch');
  }
  const [path = '', query = ''] = url.split('?');
  const parameters = query
    .split('&')
    .filter((parameter) => parameter !== '')
    .map((parameter) => (parameter.includes('=') ? parameter : `${parameter}=`));
  const canonical = [
    method,
    path,
    parameters.sort().join('&'),
    ...signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signedHeaders,
    digest,
  ].join('\n');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const [date = ''] = scope.split('/');
  const key = [region, 's3', 'aws4_request'].reduce(hmac, hmac(`AWS4${secretAccessKey}`, date));
  const toSign = [
    'AWS4-HMAC-SHA256',
    headers['x-amz-date'],
    scope,
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n');
  if (hmac(key, toSign).toString('hex') !== signature) throw new Refusal(403, 'SignatureDoesNotMatch');
}
