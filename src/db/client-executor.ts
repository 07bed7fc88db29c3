import type { Client } from 'pg';
import type { Executor } from './database.ts';

/** An executor on a connection that the caller opened and will end. Rejects with the client's errors. */
export function clientExecutor(client: Client): Executor {
  return {
    query: async <Row>({ text, values }: Parameters<Executor['query']>[0]) => {
      const { rows, rowCount } = await client.query(text, values && [...values]);
      return { rows: rows as Row[], rowCount };
    },
  };
}
