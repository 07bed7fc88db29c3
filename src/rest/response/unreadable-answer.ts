import type { UnreadableAnswer, UnreadableRequest } from '../../http/unreadable-request.ts';
import { RestError } from '../errors.ts';
import { errorBody } from './error-response.ts';

/** The answer to a request that could not be read, in REST's form. It is unknown which door the request was for. */
export function unreadableAnswer(request: UnreadableRequest): UnreadableAnswer {
  const error = refusalOf(request);
  return { status: error.status, code: error.code, body: errorBody(error, 'verbose') };
}

function refusalOf(request: UnreadableRequest): RestError {
  switch (request.kind) {
    case 'too-long':
      return new RestError('LTR431', `URL and headers have more than ${request.maxBytes} bytes`, {
        hint: 'Send long lists of values in the body, to a function.',
      });
    case 'too-late':
      return new RestError('LTR408', 'the request did not arrive in time', { hint: 'Send less at a time.' });
    case 'not-encrypted':
      return new RestError('LTR400', 'this port speaks HTTPS, and the request came in plain HTTP', {
        hint: 'Write https:// in place of http://.',
      });
    case 'malformed':
      return new RestError('LTR400', 'the request is not readable as HTTP/1.1', { details: request.reason });
    default:
      return request satisfies never;
  }
}
