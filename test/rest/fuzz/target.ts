import type { Database } from '../../../src/db/database.ts';
import { ConformanceServers } from '../conformance/conformance-servers.ts';
import { sendRequest } from '../conformance/send-request.ts';
import type { FuzzRequest } from './requests.ts';
import { marker } from './texts.ts';

/** Sends generated requests through the whole pipeline, on the conformance suite's database. */
export class FuzzTarget {
  /** The number of answers by status. */
  readonly statuses = new Map<number, number>();
  /** The number of statements that were checked. */
  statements = 0;
  readonly #servers: ConformanceServers;

  constructor(database: Database) {
    this.#servers = new ConformanceServers(database, { logStatements: true });
  }

  /** Ends the server; the database remains the caller's. */
  close(): Promise<void> {
    return this.#servers.close();
  }

  /** The faults of the answer, a line each; empty when there are none. Send one request at a time. */
  async problems(request: FuzzRequest): Promise<string[]> {
    const { logged } = this.#servers;
    logged.length = 0;
    const url = await this.#servers.url(new Map());
    const { status, body } = await sendRequest(url, this.#servers.agent, request, null);
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    const found: string[] = [];
    if (status >= 500 || status < 200) found.push(`status ${status}: ${body}`);
    if (status >= 300 && status < 500 && request.method !== 'HEAD' && codeOf(body) === null)
      found.push(`status ${status} without a code: ${body}`);
    for (const { event, message } of logged) {
      if (event === 'rest-statement') {
        this.statements += 1;
        const leaked = textOutsideNames(message);
        if (leaked !== null) found.push(`text of the request is part of the statement at ${leaked}`);
      } else {
        found.push(`logged ${event}: ${message}`);
      }
    }
    return found;
  }
}

function codeOf(body: string): string | null {
  try {
    const parsed = JSON.parse(body) as { readonly code?: unknown };
    return typeof parsed.code === 'string' ? parsed.code : null;
  } catch {
    return null;
  }
}

/**
 * The place where a statement contains the client's text outside a quoted name; null when there is none. Quotes are
 * read as Postgres reads them, so a name that closed its own quotes would be found.
 */
export function textOutsideNames(statement: string): string | null {
  const bare = statement.replaceAll(/"(?:[^"]|"")*"/g, 'name');
  const at = bare.search(new RegExp(`${marker}|"|\\u0000`, 'u'));
  return at === -1 ? null : bare.slice(Math.max(0, at - 60), at + 60);
}
