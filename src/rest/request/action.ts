import { RestError } from '../errors.ts';
import type { RestOptions } from '../options.ts';
import { decodeHeader, decodePathSegment } from './percent-encoding.ts';
import type { Action } from './query.ts';
import type { RawRequest } from './raw-request.ts';

/** The resource that a path names. */
export type Resource =
  | { readonly kind: 'root' }
  | { readonly kind: 'relation'; readonly name: string }
  | { readonly kind: 'routine'; readonly name: string };

/** The schema of a request (PostgREST, Schemas). */
export interface NegotiatedSchema {
  readonly schema: string;
  /** The schema's name in the answer, as in ApiRequest. */
  readonly profile: string | null;
}

/** The resource that a path names. Throws PGRST125 if it names none, PGRST126 at a root that is disabled. */
export function parsePath(path: string, options: RestOptions): Resource {
  const segments =
    path === '' || path === '/' ? [] : path.replace(/^\//, '').split('/').map(decodePathSegment);
  const [head, second] = segments;
  if (head === undefined) {
    if (options.openapi.mode === 'disabled')
      throw new RestError('PGRST126', 'Root endpoint metadata is disabled');
    return options.rootSpec === null ? { kind: 'root' } : { kind: 'routine', name: options.rootSpec.name };
  }
  if (second === undefined) return { kind: 'relation', name: head };
  if (head === 'rpc' && segments.length === 2) return { kind: 'routine', name: second };
  throw new RestError('PGRST125', 'Invalid path specified in request URL');
}

/**
 * The schema in `Content-Profile` for methods with a body, otherwise in `Accept-Profile`. Throws PGRST106 if it is
 * not exposed.
 */
export function negotiateSchema(
  { method, headers }: RawRequest,
  { schemas, schemaAliases }: RestOptions,
): NegotiatedSchema {
  const hasBody = method === 'POST' || method === 'PATCH' || method === 'PUT' || method === 'DELETE';
  const header = headers[hasBody ? 'content-profile' : 'accept-profile'];
  if (header === undefined) {
    const schema = schemas[0] ?? '';
    return { schema, profile: schemas.length === 1 ? null : schema };
  }
  const profile = decodeHeader(header);
  const schema = schemas.includes(profile) ? profile : schemaAliases.get(profile);
  if (schema !== undefined) return { schema, profile };
  throw new RestError('PGRST106', `Invalid schema: ${profile}`, {
    hint: `Only the following schemas are exposed: ${[...schemas, ...schemaAliases.keys()].join(', ')}`,
  });
}

/** The action of a method on a resource. Throws PGRST101 and PGRST117 for methods that it does not support. */
export function parseAction(resource: Resource, schema: string, method: string): Action {
  switch (resource.kind) {
    case 'routine':
      return routineAction(resource.name, schema, method);
    case 'relation':
      return relationAction(resource.name, schema, method);
    case 'root':
      if (method === 'GET' || method === 'HEAD')
        return { kind: 'describe', schema, headersOnly: method === 'HEAD' };
      if (method === 'OPTIONS') return { kind: 'root-options' };
      throw unsupported(method);
  }
}

function routineAction(name: string, schema: string, method: string): Action {
  switch (method) {
    case 'GET':
      return { kind: 'call', schema, name, method: 'get' };
    case 'HEAD':
      return { kind: 'call', schema, name, method: 'head' };
    case 'POST':
      return { kind: 'call', schema, name, method: 'post' };
    case 'OPTIONS':
      return { kind: 'routine-options', schema, name };
    default:
      throw new RestError('PGRST101', `Cannot use the ${method} method on RPC`);
  }
}

function relationAction(name: string, schema: string, method: string): Action {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return { kind: 'read', schema, name, headersOnly: method === 'HEAD' };
    case 'POST':
      return { kind: 'mutate', schema, name, mutation: 'insert' };
    case 'PUT':
      return { kind: 'mutate', schema, name, mutation: 'upsert-one' };
    case 'PATCH':
      return { kind: 'mutate', schema, name, mutation: 'update' };
    case 'DELETE':
      return { kind: 'mutate', schema, name, mutation: 'delete' };
    case 'OPTIONS':
      return { kind: 'relation-options', schema, name };
    default:
      throw unsupported(method);
  }
}

function unsupported(method: string): RestError {
  return new RestError('PGRST117', `Unsupported HTTP method: ${method}`);
}
