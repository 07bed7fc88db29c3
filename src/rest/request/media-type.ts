/** A media type of a request or answer. */
export type MediaType =
  /**
   * Known types, including the one for any type, as lower case `type/subtype` without parameters; all other types as
   * they came.
   */
  | { readonly kind: 'plain'; readonly name: string }
  | { readonly kind: 'object'; readonly stripNulls: boolean }
  | { readonly kind: 'array-nulls-stripped' }
  | {
      readonly kind: 'plan';
      readonly of: Exclude<MediaType, { kind: 'plan' }>;
      readonly format: 'json' | 'text';
      readonly options: readonly PlanOption[];
    };

export type PlanOption = 'analyze' | 'verbose' | 'settings' | 'buffers' | 'wal';

/** The type as headers and errors write it, without charset. */
export function mediaTypeName(mediaType: MediaType): string {
  switch (mediaType.kind) {
    case 'plain':
      return mediaType.name;
    case 'object':
      return `application/vnd.pgrst.object+json${mediaType.stripNulls ? ';nulls=stripped' : ''}`;
    case 'array-nulls-stripped':
      return 'application/vnd.pgrst.array+json;nulls=stripped';
    case 'plan': {
      const options = mediaType.options.length > 0 ? `; options=${mediaType.options.join('|')}` : '';
      return `application/vnd.pgrst.plan+${mediaType.format}; for="${mediaTypeName(mediaType.of)}"${options}`;
    }
    default:
      return mediaType satisfies never;
  }
}
