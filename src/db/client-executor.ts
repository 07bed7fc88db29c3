import type { Client } from 'pg';
import type { Executor } from './database.ts';

/** Runs statements on a connection that the caller opened, and ends. Rejects as the client does. */
export function clientExecutor(client: Client): Executor {
  return {
    query: async <Row>({ text, values }: Parameters<Executor['query']>[0]) => {
      const { rows, rowCount } = await client.query(text, values && [...values]);
      return { rows: rows as Row[], rowCount };
    },
  };
}
