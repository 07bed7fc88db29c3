/** A media type as requests and answers name it. */
export type MediaType =
  /** Lower case `type/subtype`, without parameters; any type is the range of all. */
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
