/** How a value is read. `text-or-empty`: an empty value is one; for all others it is as good as none. */
export type OptionType = 'text' | 'text-or-empty' | 'number' | 'boolean';

/** An option of PostgREST's configuration page: what the documentation's table and the parser are both made of. */
export interface PostgrestOption {
  /** As in a configuration file; `PGRST_` and upper case with underscores in the environment. */
  readonly name: string;
  readonly type: OptionType;
  /** As it is written in a configuration file, without quotes; empty: none. */
  readonly fallback: string;
  /** Older names, which still work. */
  readonly aliases?: readonly string[];
  /** May be set in the database, as `pgrst.` and the name with underscores. */
  readonly inDatabase: boolean;
  /** Takes effect at `reload config`; else at the next start. */
  readonly reloadable: boolean;
  readonly meaning: string;
}
