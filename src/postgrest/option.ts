/** How a value is read. For `text-or-empty` an empty value counts; for all other types it counts as not set. */
export type OptionType = 'text' | 'text-or-empty' | 'number' | 'boolean';

/** An option of PostgREST's configuration page. Both the documentation's table and the parser are made from it. */
export interface PostgrestOption {
  /**
   * The name in a configuration file; in the environment it is `PGRST_` plus the name in upper case with underscores.
   */
  readonly name: string;
  readonly type: OptionType;
  /** The default as a configuration file writes it, without quotes; empty: none. */
  readonly fallback: string;
  /** Older names, which still work. */
  readonly aliases?: readonly string[];
  /** Whether it may be set in the database, as `pgrst.` plus the name with underscores. */
  readonly inDatabase: boolean;
  /** Whether it takes effect at `reload config`; otherwise it does at the next start. */
  readonly reloadable: boolean;
  readonly meaning: string;
}
