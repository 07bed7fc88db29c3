import type { Database } from '../../src/db/database.ts';

/** A database that counts what is asked of it by `queryWith`. */
export interface CountingDatabase {
  readonly database: Database;
  /** Statements so far whose text has this in it. */
  count(part: string): number;
}

/** The same database, with its statements counted. */
export function countingDatabase(database: Database): CountingDatabase {
  const texts: string[] = [];
  const counted: Database = {
    kind: database.kind,
    query: (statement) => database.query(statement),
    queryWith: (settings, statement) => {
      texts.push(statement.text);
      return database.queryWith(settings, statement);
    },
    batch: (settings, statements, mode) => database.batch(settings, statements, mode),
    transaction: (settings, work, isolationLevel) => database.transaction(settings, work, isolationLevel),
    listen: (channel, onPayload, onGap) => database.listen(channel, onPayload, onGap),
    get deafSince() {
      return database.deafSince;
    },
    renewConnections: () => database.renewConnections(),
    poolState: () => database.poolState(),
    close: (withinMs) => database.close(withinMs),
  };
  return { database: counted, count: (part) => texts.filter((text) => text.includes(part)).length };
}
