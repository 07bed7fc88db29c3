import type { QualifiedName } from './identifier.ts';

/** Turns rows into a body. PostgREST calls the custom ones media type handlers. */
export type MediaHandler =
  | { readonly kind: 'json' }
  | { readonly kind: 'json-nulls-stripped' }
  | { readonly kind: 'json-object'; readonly stripNulls: boolean }
  | { readonly kind: 'csv' }
  | { readonly kind: 'geojson' }
  /**
   * An aggregate over a relation's rows (`target`), or over any rows (`target` null). Or a function's own result: then
   * `target` is the function, and `function` the domain that the result is cast to. `bytes`: the domain is over bytea;
   * values of all other domains are shown as text.
   */
  | {
      readonly kind: 'custom';
      readonly function: QualifiedName;
      readonly target: QualifiedName | null;
      readonly bytes: boolean;
    }
  /** The request wants no body. */
  | { readonly kind: 'none' };

/** A handler and the media type that it makes. The handler of a domain for any type makes `application/octet-stream`. */
export interface ResolvedMediaHandler {
  readonly handler: MediaHandler;
  /** Lower case, as `type/subtype`. */
  readonly mediaType: string;
}
