import { createClient } from 'graphql-ws';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { signToken } from '../../src/auth/jwt.ts';
import { openEvents } from '../support/event-client.ts';
import { startLightning } from '../support/lightning.ts';
import { startPgbouncer } from '../support/pgbouncer/start.ts';
import type { PgbouncerSetup } from '../support/pgbouncer/start.ts';
import { strongSecret } from '../support/token-keys.ts';

/** The result of two API processes behind a pooler. */
export interface TwoServesReport {
  /** The number of answers that were checked. */
  readonly answers: number;
  /** The number of changes that each of the three listeners received. */
  readonly changes: number;
  readonly seconds: number;
  readonly problems: readonly string[];
}

/** The set-up of the two processes, and the amount of work. */
export interface TwoServes {
  /** The URL of the API's login, past the pooler. */
  readonly apiUrl: string;
  readonly rolePrefix: string;
  readonly setup: PgbouncerSetup;
  /** Whether LISTEN_DATABASE_URL tells them where to listen. */
  readonly listen: boolean;
  /** The number of agents that are created, each with a task, changed and read back. */
  readonly rounds: number;
}

const secret = strongSecret;
const atOnce = 16;

/**
 * Starts two `lightning serve` behind a PgBouncer. Clients create, change, read and complete rows through REST and
 * GraphQL of both in turn, while events and subscriptions of both are open. Every answer is compared with the expected
 * one, and every change has to arrive exactly once at every listener.
 */
export async function letTwoServe(options: TwoServes): Promise<TwoServesReport> {
  const { apiUrl, rolePrefix, setup, listen, rounds } = options;
  const began = performance.now();
  const pooler = await startPgbouncer(setup, [apiUrl]);
  const env = {
    DATABASE_URL: pooler.through(apiUrl),
    ...(listen ? { LISTEN_DATABASE_URL: apiUrl } : {}),
    DB_ROLE_PREFIX: rolePrefix,
    JWT_SECRET: secret,
  };
  const serves = await Promise.all([startLightning(env, ['serve']), startLightning(env, ['serve'])]);
  const ends: (() => unknown)[] = [];
  try {
    const claims = { role: 'service', tenantId: 'default', subject: 'two', lifetimeSeconds: 3600 } as const;
    const token = await signToken(secret, claims, new Date());
    const urls = serves.map(({ url }) => url);
    const listeners = await Promise.all([
      ...urls.map((url) => streamOf(url, token, ends)),
      subscriptionOf(urls[0] ?? '', token, ends),
    ]);
    const work = new Work(urls, token);
    const ids = Array.from(
      { length: rounds },
      (_, n) => `pooled-${n}-${Math.random().toString(36).slice(2)}`,
    );
    const queue = [...ids];
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (let id = queue.pop(); id !== undefined; id = queue.pop()) await work.live(id);
      }),
    );
    const problems = [...work.problems];
    // Each agent was inserted once and updated once.
    const wanted = ids.flatMap((id) => [`INSERT ${id}`, `UPDATE ${id}`]).toSorted();
    const ours = (heard: string[]) => heard.filter((change) => change.includes(' pooled-')).toSorted();
    for (const [n, heard] of listeners.entries()) {
      const deadline = Date.now() + 20_000;
      while (ours(heard()).length < wanted.length && Date.now() < deadline) await sleep(50);
      const got = ours(heard());
      if (JSON.stringify(got) !== JSON.stringify(wanted)) {
        problems.push(`listener ${n + 1}: expected ${wanted.length} changes, got ${got.length}`);
      }
    }
    const seconds = (performance.now() - began) / 1000;
    return { answers: work.answers, changes: wanted.length, seconds, problems };
  } finally {
    for (const end of ends) await end();
    const finished = await Promise.all(serves.map((serve) => serve.stop()));
    await pooler.stop();
    for (const { status, stderr } of finished) {
      // eslint-disable-next-line no-unsafe-finally -- a serve that ended badly is the reason of what failed before
      if (status !== 0) throw new Error(`serve ended with ${status}\n${stderr}`);
    }
  }
}

/** Requests that depend on each other, spread over both processes. */
class Work {
  readonly problems: string[] = [];
  answers = 0;
  readonly #urls: readonly string[];
  readonly #token: string;
  #next = 0;

  constructor(urls: readonly string[], token: string) {
    this.#urls = urls;
    this.#token = token;
  }

  /** Runs an agent from its creation to its last task. */
  async live(id: string): Promise<void> {
    const byId = `/rest/v1/agents?id=eq.${id}`;
    await this.#rest('POST', '/rest/v1/agents?select=id,status', { id, name: 'Made', model: 'm' }, [
      { id, status: 'idle' },
    ]);
    await this.#graphql(
      'query($id: String!) { agent(id: $id) { id name tasks { totalCount } } }',
      { id },
      { agent: { id, name: 'Made', tasks: { totalCount: 0 } } },
    );
    await this.#graphql(
      'mutation($id: String!) { updateAgent(input: {id: $id, patch: {name: "Changed"}}) { agent { name } } }',
      { id },
      { updateAgent: { agent: { name: 'Changed' } } },
    );
    await this.#rest('GET', `${byId}&select=id,name`, undefined, [{ id, name: 'Changed' }]);
    await this.#rest(
      'POST',
      '/rest/v1/tasks?select=description,agent_id,status',
      {
        description: `of ${id}`,
        agent_id: id,
      },
      [{ description: `of ${id}`, agent_id: id, status: 'pending' }],
    );
    await this.#rest('GET', `${byId}&select=name,tasks(description)`, undefined, [
      { name: 'Changed', tasks: [{ description: `of ${id}` }] },
    ]);
    await this.#graphql(
      '{ agents(filter: {id: {equalTo: "nobody"}}) { nodes { id } totalCount } }',
      {},
      { agents: { nodes: [], totalCount: 0 } },
    );
    // A refusal, the same as without a pooler.
    await this.#rest('POST', '/rest/v1/agents', { id, name: 'Twice', model: 'm' }, undefined, 409);
  }

  async #rest(method: string, path: string, body: object | undefined, wanted: unknown, status?: number) {
    const answer = await this.#send(path, {
      method,
      headers: { prefer: 'return=representation' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const found = wanted === undefined ? answer.status : answer.body;
    this.#compare(`${method} ${path}`, answer, found, wanted ?? status);
  }

  async #graphql(query: string, variables: object, data: unknown) {
    const answer = await this.#send('/graphql', {
      method: 'POST',
      body: JSON.stringify({ query, variables }),
    });
    this.#compare(query, answer, answer.body, { data });
  }

  async #send(path: string, init: RequestInit): Promise<{ status: number; body: unknown }> {
    const url = this.#urls[this.#next++ % this.#urls.length] ?? '';
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}${path}`, { ...init, headers: { ...headers, ...init.headers } });
    return { status: response.status, body: await response.json() };
  }

  #compare(what: string, answer: { status: number; body: unknown }, found: unknown, wanted: unknown) {
    this.answers += 1;
    if (JSON.stringify(found) === JSON.stringify(wanted)) return;
    this.problems.push(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}

/** Collects the agents that a stream of server-sent events reports, as they arrive. */
async function streamOf(url: string, token: string, ends: (() => unknown)[]): Promise<() => string[]> {
  const stream = await openEvents(url, token, { topics: 'agents' });
  ends.push(() => stream.close());
  return () =>
    stream.events.flatMap(({ data }) =>
      data.operation === undefined ? [] : [`${data.operation.toUpperCase()} ${data.id ?? ''}`],
    );
}

/** Collects the agents that a GraphQL subscription reports. */
async function subscriptionOf(url: string, token: string, ends: (() => unknown)[]): Promise<() => string[]> {
  const heard: string[] = [];
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${token}` },
  });
  ends.push(() => client.dispose());
  client.subscribe<{ agentChanged: { operation: string; agentId: string } }>(
    { query: 'subscription { agentChanged { operation agentId } }' },
    {
      next: ({ data }) => {
        if (data) heard.push(`${data.agentChanged.operation.toUpperCase()} ${data.agentChanged.agentId}`);
      },
      error: () => {},
      complete: () => {},
    },
  );
  // The protocol does not say when a subscription has begun: it has when it receives an event.
  for (let n = 0; heard.length === 0; n += 1) {
    if (n === 300) throw new Error('the subscription received no event');
    await fetch(`${url}/rest/v1/agents`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        id: `early-${n}-${Math.random().toString(36).slice(2)}`,
        name: 'Early',
        model: 'm',
      }),
    });
    await sleep(100);
  }
  return () => heard;
}
