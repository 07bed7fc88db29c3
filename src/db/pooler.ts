import { randomBytes } from 'node:crypto';
import type { ClientBase, Connection } from 'pg';
import { quoteLiteral } from './statement.ts';
import { wireOf } from './wire-connection.ts';

/**
 * Knowledge about the way to the server. `auto`: none, so every connection is asked. `transaction`: a pooler
 * that lends a session of the server for one transaction (PgBouncer's `pool_mode = transaction` and its like).
 * `session`: a pooler that lends one for as long as the client stays. `off`: the connection leads to the server
 * itself and is not asked.
 */
export type PoolerMode = 'auto' | 'transaction' | 'session' | 'off';

/**
 * Where a connection leads, and so what may outlive a transaction on it.
 *
 * - `session`: a session of the server that is ours alone. Settings, prepared statements and LISTEN stay.
 * - `transaction`: a pooler that may put every transaction on another session of the server. Nothing stays, and
 * names of statements can clash with those of other clients.
 * - `tracked`: a pooler of that kind that keeps track of prepared statements itself. Each client has names of
 * its own, and the pooler prepares a statement on whichever session a transaction comes to (PgBouncer from 1.21
 * on with `max_prepared_statements`, PgCat, Odyssey, Supavisor).
 */
export type Link = 'session' | 'transaction' | 'tracked';

/**
 * Asks a new connection where it leads, in one round trip. If it leads to a session of our own, the same round
 * trip sets the settings for the whole session.
 *
 * Behind a pooler, the process that answers differs from the one announced at the connection's start, because a
 * pooler makes up the cancellation keys that it gives its clients. A pooler that keeps track of prepared
 * statements also gives them names of its own on the server, so ours is missing from the server's list.
 *
 * @param settings set for the session, unless the connection turns out to lead to a pooler
 */
export function findLink(
  client: ClientBase,
  mode: Exclude<PoolerMode, 'off'>,
  settings: Readonly<Record<string, string>>,
): Promise<Link> {
  const names = Object.keys(settings);
  const isOurs =
    mode === 'auto' ? 'pg_catalog.pg_backend_pid() = $2::int' : mode === 'session' ? 'true' : 'false';
  const text = `
    select pg_catalog.pg_backend_pid() = $2::int,
      exists (select from pg_catalog.pg_prepared_statements where name = $1),
      case when ${isOurs} then ${sessionSettings(names)} end`;
  const name = `lightning_link_${randomBytes(6).toString('base64url')}`;
  // Null for a server that sends no key, which Postgres itself never does.
  const { processID } = client as ClientBase & { readonly processID: number | null };
  return new Promise((resolve, reject) => {
    const values = [name, processID === null ? null : String(processID), ...Object.values(settings)];
    const found = ([ours, kept]: readonly (string | null)[]): void => {
      if (mode === 'session' || (mode === 'auto' && ours === 't')) resolve('session');
      else resolve(kept === 't' ? 'transaction' : 'tracked');
    };
    client.query(new Probe({ name, text, values, found, failed: reject }));
  });
}

function sessionSettings(names: readonly string[]): string {
  const calls = names.map(
    (name, i) => `pg_catalog.set_config(${quoteLiteral(name)}, $${i + 3}::text, false)`,
  );
  return `pg_catalog.concat(${['null', ...calls].join(', ')})`;
}

interface ProbeParts {
  readonly name: string;
  readonly text: string;
  readonly values: readonly (string | null)[];
  readonly found: (row: readonly (string | null)[]) => void;
  readonly failed: (error: Error) => void;
}

/**
 * One named statement, parsed, run and closed before one Sync: in one transaction, so that a pooler sends all
 * of it to one session of the server and the name does not stay there. node-postgres itself would keep a
 * statement that it names.
 */
class Probe {
  readonly #parts: ProbeParts;
  #row: readonly (string | null)[] = [];

  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  submit(connection: Connection): void {
    const { name, text, values } = this.#parts;
    const wire = wireOf(connection);
    wire.stream.cork();
    wire.parse({ name, text });
    wire.bind({ statement: name, values: [...values] });
    wire.execute({});
    wire.close({ type: 'S', name });
    wire.sync();
    wire.stream.uncork();
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    this.#row = message.fields;
  }

  handleCommandComplete(): void {
    // The only row has arrived already. The result counts once the connection is ready again.
  }

  handleError(error: Error): void {
    this.#parts.failed(error);
  }

  handleReadyForQuery(): void {
    this.#parts.found(this.#row);
  }
}
