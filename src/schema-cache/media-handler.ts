import type { QualifiedName } from './identifier.ts';

/** What turns rows into a body. PostgREST calls the custom ones media type handlers. */
export type MediaHandler =
  | { readonly kind: 'json' }
  | { readonly kind: 'json-nulls-stripped' }
  | { readonly kind: 'json-object'; readonly stripNulls: boolean }
  | { readonly kind: 'csv' }
  | { readonly kind: 'geojson' }
  /**
   * An aggregate over a relation's rows (`target`), or over anything (`target` null). Or a function's own result:
   * `target` is the function, and `function` the domain, whose name casts the result. `bytes`: the domain is one over
   * bytea; the values of all others are shown as text.
   */
  | {
      readonly kind: 'custom';
      readonly function: QualifiedName;
      readonly target: QualifiedName | null;
      readonly bytes: boolean;
    }
  /** No body is asked for. */
  | { readonly kind: 'none' };

/** A handler with the media type that it makes: of one for any type the domain's own, `application/octet-stream`. */
export interface ResolvedMediaHandler {
  readonly handler: MediaHandler;
  /** Lower case, as `type/subtype`. */
  readonly mediaType: string;
}
