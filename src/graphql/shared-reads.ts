import type { PgClient, PgClientQuery, WithPgClient } from 'postgraphile/@dataplan/pg';

/**
 * Runs equal queries under equal settings once if they are asked in the same turn of the event loop, with one answer
 * for all: when a change reaches a thousand subscribers, its row is read once for those who ask the same. A query
 * never joins one that was already sent, because that one may have read before the change in question.
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
