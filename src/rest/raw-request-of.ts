import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';
import { readBody } from '../http/read-body.ts';
import { RestError } from './errors.ts';
import type { RawRequest } from './request/raw-request.ts';

const noBody = Buffer.alloc(0);

/**
 * A request in the form that the stages take. Reads the body if the method has one. Rejects with RestError: LTR413, or
 * PGRST102 when the client disconnects.
 *
 * @param target path and query, without the mount point
 */
export async function rawRequestOf(
  request: IncomingMessage,
  target: string,
  maxBodyBytes: number,
): Promise<RawRequest> {
  const method = request.method ?? 'GET';
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const hasBody = method === 'POST' || method === 'PATCH' || method === 'PUT';
  return {
    method,
    path: path === '' ? '/' : path,
    query: at < 0 ? '' : target.slice(at + 1),
    headers: headersOf(request),
    body: hasBody ? await bodyOf(request, maxBodyBytes) : noBody,
  };
}

/** The headers as node gives them, one character per byte: each stage decodes the headers that it reads. */
function headersOf({ headers }: IncomingMessage): RawRequest['headers'] {
  const setCookie = headers['set-cookie'];
  const single = setCookie ? { ...headers, 'set-cookie': setCookie.join(', ') } : headers;
  return single as Readonly<Record<string, string>>;
}

async function bodyOf(request: IncomingMessage, maxBodyBytes: number): Promise<Buffer> {
  try {
    return await readBody(request, maxBodyBytes);
  } catch (error) {
    if (error instanceof AppError && error.code === 'BODY_TOO_LARGE') {
      throw new RestError('LTR413', error.message, { hint: 'Send fewer rows at a time.', cause: error });
    }
    // The client disconnected, so nobody reads this.
    if (error instanceof AppError) throw new RestError('PGRST102', error.message, { cause: error });
    throw error;
  }
}
