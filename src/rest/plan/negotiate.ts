import type { QualifiedName } from '../../schema-cache/identifier.ts';
import type { MediaHandler, ResolvedMediaHandler } from '../../schema-cache/media-handler.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { mediaHandlerKey } from '../../schema-cache/schema-cache.ts';
import { RestError } from '../errors.ts';
import type { MediaType } from '../request/media-type.ts';
import { mediaTypeName } from '../request/media-type.ts';
import type { ReadPlan } from './plan.ts';
import { isStar } from './select-fields.ts';

/** The handler that makes the body, and the media type that the answer names. */
export interface NegotiatedContent {
  readonly handler: MediaHandler;
  readonly mediaType: MediaType;
}

/** The accepted media types, and the rows they are for. */
export interface Asked {
  readonly accept: readonly MediaType[];
  readonly relation: QualifiedName;
  /** Whether the rows are whole: a handler made for a relation takes only whole rows. */
  readonly wholeRows: boolean;
  readonly planEnabled: boolean;
}

/**
 * The first accepted type that has a handler. The relation's own handlers come before those for any relation (PostgREST,
 * Media Type Handlers). Throws PGRST107.
 */
export function negotiate(cache: SchemaCache, asked: Asked): NegotiatedContent {
  for (const mediaType of asked.accept) {
    const content = contentOf(cache, mediaType, asked);
    if (content !== null) return content;
  }
  throw notAvailable(asked.accept);
}

/** Whether the request selects all columns and nothing else. */
export function selectsWholeRows({ select, embeds }: ReadPlan): boolean {
  const [first] = select;
  const only = select.length === 1 && embeds.length === 0;
  return only && first !== undefined && isStar(first.field) && first.aggregate === null;
}

/** PGRST107, naming the accepted types. */
export function notAvailable(accept: readonly MediaType[]): RestError {
  const names = accept.map(mediaTypeName).join(', ');
  return new RestError('PGRST107', `None of these media types are available: ${names}`);
}

function contentOf(cache: SchemaCache, mediaType: MediaType, asked: Asked): NegotiatedContent | null {
  switch (mediaType.kind) {
    case 'object':
      return { handler: { kind: 'json-object', stripNulls: mediaType.stripNulls }, mediaType };
    case 'array-nulls-stripped':
      return { handler: { kind: 'json-nulls-stripped' }, mediaType };
    case 'plan': {
      const of = asked.planEnabled ? contentOf(cache, mediaType.of, asked) : null;
      return of === null ? null : { handler: of.handler, mediaType };
    }
    case 'plain': {
      const found = handlerOf(cache, mediaType.name, asked);
      return found === undefined
        ? null
        : { handler: found.handler, mediaType: { kind: 'plain', name: found.mediaType } };
    }
    default:
      return mediaType satisfies never;
  }
}

function handlerOf(
  { mediaHandlers }: SchemaCache,
  name: string,
  { relation, wholeRows }: Asked,
): ResolvedMediaHandler | undefined {
  const own = (type: string): ResolvedMediaHandler | undefined =>
    wholeRows ? mediaHandlers.get(mediaHandlerKey(relation, type)) : undefined;
  return own('*/*') ?? own(name) ?? mediaHandlers.get(mediaHandlerKey(null, name));
}
