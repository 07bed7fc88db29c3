import type { MediaHandlerRow } from '../catalog/media-handlers.ts';
import type { ResolvedMediaHandler } from '../media-handler.ts';
import { mediaHandlerKey } from '../schema-cache.ts';

/** The built-in handlers that can be overridden, plus those of the database, by `mediaHandlerKey`. */
export function buildMediaHandlers(rows: readonly MediaHandlerRow[]): Map<string, ResolvedMediaHandler> {
  const handlers = new Map<string, ResolvedMediaHandler>([
    [mediaHandlerKey(null, '*/*'), { handler: { kind: 'json' }, mediaType: 'application/json' }],
    [mediaHandlerKey(null, 'application/json'), { handler: { kind: 'json' }, mediaType: 'application/json' }],
    [mediaHandlerKey(null, 'text/csv'), { handler: { kind: 'csv' }, mediaType: 'text/csv' }],
    [
      mediaHandlerKey(null, 'application/geo+json'),
      { handler: { kind: 'geojson' }, mediaType: 'application/geo+json' },
    ],
  ]);
  for (const row of rows) {
    const target = row.any_target ? null : { schema: row.target_schema, name: row.target_name };
    const mediaType = row.media_type.toLowerCase();
    handlers.set(mediaHandlerKey(target, mediaType), {
      handler: { kind: 'custom', function: { schema: row.schema, name: row.name }, target, bytes: row.bytes },
      mediaType: mediaType === '*/*' ? 'application/octet-stream' : mediaType,
    });
  }
  return handlers;
}
