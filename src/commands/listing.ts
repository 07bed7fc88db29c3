import type { Command } from 'commander';
import type { CommandContext } from './command-context.ts';

/** The flag of every command that lists. */
export interface ListingFlags {
  readonly json?: true;
}

/** Gives a command the flag `--json`. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON document (docs/commands.md has its fields)');
}

/** A list, and how it is shown to people. */
export interface Listing<Row> {
  readonly rows: readonly Row[];
  /** A row as a line of columns. */
  readonly line: (row: Row) => string;
  /** The sentence in place of an empty list. */
  readonly none: string;
}

/** Prints a list as lines, or as one JSON array of its rows; moments are ISO 8601 in UTC. */
export function printListing<Row>(
  { print }: Pick<CommandContext, 'print'>,
  { json }: ListingFlags,
  { rows, line, none }: Listing<Row>,
): void {
  if (json) printJson({ print }, rows);
  else if (rows.length === 0) print(none);
  else for (const row of rows) print(line(row));
}

/** Prints one JSON document. */
export function printJson({ print }: Pick<CommandContext, 'print'>, document: unknown): void {
  print(JSON.stringify(document, null, 2));
}
