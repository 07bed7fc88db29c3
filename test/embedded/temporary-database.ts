import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { startEmbedded } from '../../src/embedded/embedded.ts';
import type { Embedded, EmbeddedEvent, EmbeddedOptions } from '../../src/embedded/embedded.ts';

/** An embedded database in its own directory, and the clients of a test. */
export interface TemporaryDatabase {
  readonly embedded: Embedded;
  readonly directory: string;
  /** The events of the database so far. */
  readonly events: EmbeddedEvent[];
  /** A connected node-postgres client. Its errors outside of queries are collected in `endings`. */
  connect(config?: ClientConfig): Promise<Client>;
  /** SQLSTATEs of errors that arrived while no query ran: they tell how the server ended connections. */
  readonly endings: string[];
  /** Ends the clients of `connect`; call it after each test. */
  disconnect(): Promise<void>;
  /** Closes the database and removes the directory. */
  close(): Promise<void>;
}

export async function temporaryDatabase(options: Partial<EmbeddedOptions> = {}): Promise<TemporaryDatabase> {
  const directory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), 'lightning-'));
  const events: EmbeddedEvent[] = [];
  const endings: string[] = [];
  const clients: Client[] = [];
  const embedded = await startEmbedded({
    storage: 'memory',
    ...options,
    dataDirectory: directory,
    onEvent: (event) => events.push(event),
  });
  return {
    embedded,
    directory,
    events,
    endings,
    connect: async (config) => {
      const client = new Client({ connectionString: embedded.connectionString, ...config });
      client.on('error', (error) => {
        if ('code' in error) endings.push(String(error.code));
      });
      await client.connect();
      clients.push(client);
      return client;
    },
    disconnect: async () => {
      await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
      endings.length = 0;
    },
    close: async () => {
      await embedded.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** An empty database for `EmbeddedOptions.template`: making one from scratch takes seconds, a copy a fraction of one. */
export async function emptyTemplate(): Promise<Uint8Array> {
  const database = await temporaryDatabase();
  try {
    return await database.embedded.dump();
  } finally {
    await database.close();
  }
}

/** The SQLSTATE that a query fails with. */
export async function failure(query: Promise<unknown>): Promise<string | undefined> {
  try {
    await query;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
  return undefined;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
