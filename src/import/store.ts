import type { Installation } from '../db/installation.ts';
import type { Refusal } from './quarantine.ts';

/**
 * A legacy store: the place of its files, their meaning, and the table that they go into. stores.ts lists all
 * stores.
 */
export interface Store {
  /** Name in the report, such as `knowledge`. */
  readonly name: string;
  /** The files that it looks for in the imported folder, for messages: `.agent-knowledge/*.json`. */
  readonly looksFor: string;
  /** First entries of the paths. Entries of the folder that are not among these are reported as ignored. */
  readonly entries: readonly string[];
  /** The store's files in the folder; null when the folder has no such store. */
  find(folder: string): Promise<FoundFiles | null>;
  /**
   * The contents of the files. Reads all files at once, because items of different files may compete for an id.
   */
  read(files: readonly SourceFile[]): readonly FileContent[] | Promise<readonly FileContent[]>;
  /** Makes room for the rows of a file before they are loaded. */
  readonly prepare?: (
    installation: Installation,
    tenantId: string,
    rows: readonly ImportRow[],
  ) => Promise<void>;
  readonly target: Target;
}

/** Paths relative to the imported folder, ordered by name, with `/` as separator. */
export interface FoundFiles {
  readonly files: readonly string[];
  /** Other entries beside the files, which do not belong to the store. */
  readonly strangers: readonly string[];
}

/** A file and its contents, of which those of SQLite are left to SQLite: `bytes` has their beginning only. */
export interface SourceFile {
  readonly path: string;
  /** The path that opens it. */
  readonly full: string;
  /** The offset from UTC of the clock that wrote JSON files: `+02:00`. */
  readonly clock: string;
  readonly bytes: Buffer;
}

/** A file's rows for the table, and its items that cannot be stored. Each item is in one of the two lists. */
export interface FileContent {
  readonly path: string;
  readonly rows: readonly ImportRow[];
  readonly refusals: readonly Refusal[];
  /** Sentences for the report. */
  readonly notes?: readonly string[];
}

/** One item on its way into the table. */
export interface ImportRow {
  /** See JsonItem. */
  readonly index: number | null;
  /** The item's JSON, for the quarantine. */
  readonly text: string;
  /** The agent that the row belongs to, which must exist. Null when it needs none. */
  readonly owner: string | null;
  /** True: the same item stands before it, in this file or another, and is stored once. */
  readonly repeats?: boolean;
  /** Texts that Postgres can read, in the order of `Target.columns`. */
  readonly values: readonly (string | null)[];
  /** SHA-256 in hex of each expression of `Target.hashed`, in its order; null for a null value. */
  readonly hashes: readonly (string | null)[];
}

/**
 * The SQL that moves rows from `pg_temp.import_rows` into their table. That temporary table has a text column
 * for each of `columns`, and `ordinal`, the row's number within its file.
 */
export interface Target {
  /** Name with its schema: `app_public.knowledge`. */
  readonly table: string;
  readonly columns: readonly string[];
  /** Stores those of the rows numbered $1 to $2 that are not stored yet, each under a free id. */
  readonly insert: string;
  /**
   * Returns for each row: `ordinal`, `stored_id` (null: not stored), and `differs`, the columns in which the
   * stored row differs from the file.
   */
  readonly compare: string;
  /** Expressions over a row `t` of the table. Their text is hashed on both sides. */
  readonly hashed: readonly string[];
}
