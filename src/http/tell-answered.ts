import type { RequestHandler, Response } from 'express';
import { findClaims } from './authenticate.ts';
import { countedMethod, unknownRoute } from './answered-request.ts';
import type { AnsweredRequest, OnAnswered } from './answered-request.ts';
import { requestIdOf } from './request-id.ts';

/** Tells of each request once its answer is sent or its connection has closed. Goes behind `requestId`. */
export function tellingAnswered(onAnswered: OnAnswered): RequestHandler {
  return (request, response, next) => {
    const began = performance.now();
    response.once('close', () => {
      const locals = response.locals as Locals;
      onAnswered({
        kind: locals.kind ?? 'request',
        method: countedMethod(request.method),
        route: locals.route ?? unknownRoute,
        status: response.writableFinished || locals.kind === 'stream' ? response.statusCode : 499,
        code: locals.refusal ?? null,
        durationMs: performance.now() - began,
        requestId: requestIdOf(response),
        claims: findClaims(response),
        headers: request.headers,
      });
    });
    next();
  };
}

interface Locals {
  readonly kind?: AnsweredRequest['kind'];
  readonly route?: string;
  readonly refusal?: string;
}

/** Names the door that a request came to. */
export function door(route: string, kind: AnsweredRequest['kind'] = 'request'): RequestHandler {
  return (_request, response, next) => {
    response.locals['route'] = route;
    response.locals['kind'] = kind;
    next();
  };
}

/** Notes the code of a refusal, for `tellingAnswered`. */
export function noteRefusal(response: Response, code: string): void {
  response.locals['refusal'] = code;
}
