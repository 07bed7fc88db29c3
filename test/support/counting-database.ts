import type { Database, TransactionSettings } from '../../src/db/database.ts';

/** A database that counts the statements it receives through `queryWith`. */
export interface CountingDatabase {
  readonly database: Database;
  /** The number of statements so far whose text contains this. */
  count(part: string): number;
  /** The number of statements and transactions so far that requests caused, by whatever way. */
  ofRequests(): number;
}

/** Wraps the database so that its statements are counted. */
export function countingDatabase(database: Database): CountingDatabase {
  const texts: string[] = [];
  let asked = 0;
  const noteRequest = (settings: TransactionSettings): void => {
    if (settings['app.request_id']) asked++;
  };
  const counted: Database = {
    kind: database.kind,
    query: (statement) => database.query(statement),
    queryWith: (settings, statement) => {
      texts.push(statement.text);
      noteRequest(settings);
      return database.queryWith(settings, statement);
    },
    batch: (settings, statements, mode) => {
      noteRequest(settings);
      return database.batch(settings, statements, mode);
    },
    transaction: (settings, work, isolationLevel) => {
      noteRequest(settings);
      return database.transaction(settings, work, isolationLevel);
    },
    until: (left) => {
      const leaving = database.until(left);
      return {
        queryWith: (settings, statement) => {
          texts.push(statement.text);
          noteRequest(settings);
          return leaving.queryWith(settings, statement);
        },
        batch: (settings, statements, mode) => {
          noteRequest(settings);
          return leaving.batch(settings, statements, mode);
        },
        transaction: (settings, work, isolationLevel) => {
          noteRequest(settings);
          return leaving.transaction(settings, work, isolationLevel);
        },
      };
    },
    listen: (channel, onPayload, onGap) => database.listen(channel, onPayload, onGap),
    get deafSince() {
      return database.deafSince;
    },
    renewConnections: () => database.renewConnections(),
    poolState: () => database.poolState(),
    close: (withinMs) => database.close(withinMs),
  };
  return {
    database: counted,
    count: (part) => texts.filter((text) => text.includes(part)).length,
    ofRequests: () => asked,
  };
}
