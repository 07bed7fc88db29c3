import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';

/**
 * Reads a request's body. Rejects with BODY_TOO_LARGE as soon as the body is known to exceed `maxBytes`. The rest is
 * read and thrown away, so that a reset connection does not lose the answer.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): void => {
      request.removeAllListeners('data').removeAllListeners('end').resume();
      reject(
        new AppError('BODY_TOO_LARGE', `the body has more than ${maxBytes} bytes`, {
          hint: 'Send less at a time, or raise MAX_BODY_BYTES.',
        }),
      );
    };
    if (Number(request.headers['content-length']) > maxBytes) {
      tooLarge();
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    // The client disconnected halfway. Nobody reads the answer, and nothing is wrong on our side.
    request.on('error', (error) =>
      reject(new AppError('MALFORMED_BODY', 'the connection ended before the body did', { cause: error })),
    );
  });
}
