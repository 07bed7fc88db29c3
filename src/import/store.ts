import type { Refusal } from './quarantine.ts';

/** A legacy store: where its files are, what they mean, and the table that they go into. stores.ts lists them all. */
export interface Store {
  /** As the report calls it: `knowledge`. */
  readonly name: string;
  /** What it looks for in the imported folder, for messages: `.agent-knowledge/*.json`. */
  readonly looksFor: string;
  /** First entry of the path, by which a folder's other entries are told apart. */
  readonly entry: string;
  /** The store's files in the folder; null when the folder has no such store. */
  find(folder: string): Promise<FoundFiles | null>;
  /** What the files hold. Pure. All at once: items of different files may compete for an id. */
  read(files: readonly SourceFile[]): readonly FileContent[];
  readonly target: Target;
}

/** Paths relative to the imported folder, in order of name, with `/` between. */
export interface FoundFiles {
  readonly files: readonly string[];
  /** Entries beside them that are none of the store's. */
  readonly strangers: readonly string[];
}

/** A file, read. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** What a file holds: rows for the table, and what cannot be stored. One item is in one of the two. */
export interface FileContent {
  readonly path: string;
  /** The agent that all rows belong to and that must exist; null when they need none. */
  readonly owner: string | null;
  readonly rows: readonly ImportRow[];
  readonly refusals: readonly Refusal[];
}

/** One item on its way into the table. */
export interface ImportRow {
  /** As in JsonItem. */
  readonly index: number | null;
  /** The item's JSON, for the quarantine. */
  readonly text: string;
  /** In the order of `Target.columns`, as Postgres reads them. */
  readonly values: readonly (string | null)[];
  /** SHA-256 in hex of what `Target.hashed` names, in its order; null for what is null. */
  readonly hashes: readonly (string | null)[];
}

/**
 * How rows get from `pg_temp.import_rows` into their table. That table has a text column for each of `columns` and
 * `ordinal`, the row's number within its file.
 */
export interface Target {
  /** In its schema: `app_public.knowledge`. */
  readonly table: string;
  readonly columns: readonly string[];
  /** Stores the rows numbered $1 to $2 that are not stored yet, each under an id that nobody has. */
  readonly insert: string;
  /**
   * For each row: `ordinal`, `stored_id` (null: not stored), and `differs`, the columns in which the stored row is not
   * what the file says.
   */
  readonly compare: string;
  /** Expressions over a row `t` of the table whose text is hashed on both sides. */
  readonly hashed: readonly string[];
}
