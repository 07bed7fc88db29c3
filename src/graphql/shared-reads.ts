import type { PgClient, PgClientQuery, WithPgClient } from 'postgraphile/@dataplan/pg';

/**
 * Has equal queries under equal settings that are asked in the same turn of the event loop run once, with one answer for
 * all: a change that a thousand subscribers hear of is read once for those who ask the same of it. A query that was sent
 * is never joined, for it may have looked before the change that the late one is about.
 */
export function shareReads(withPgClient: WithPgClient): WithPgClient {
  const waiting = new Map<string, Promise<unknown>>();
  return (settings, callback) =>
    withPgClient(settings, (client) =>
      callback({
        query: <Row>(query: PgClientQuery) => {
          const { text, values, arrayMode } = query;
          const name = JSON.stringify([settings, text, values, arrayMode]);
          const joined = waiting.get(name);
          if (joined) return joined as ReturnType<typeof client.query<Row>>;
          const asked = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
            waiting.delete(name);
            return client.query<Row>(query);
          });
          waiting.set(name, asked);
          return asked;
        },
        withTransaction: (work) => client.withTransaction(work),
      } satisfies PgClient),
    );
}
