import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

/** A row whose write was acknowledged. */
export interface Acknowledged {
  readonly table: string;
  readonly id: string;
  /** When the answer came, as Date.now(). */
  readonly at: number;
}

/** A refused write, as a client sees it. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: string | null;
}

/** Writers at several doors, each with one write after the other. */
export interface Writers {
  readonly acknowledged: readonly Acknowledged[];
  /** Refusals of a stop, each kind once, by door. */
  readonly refusals: ReadonlyMap<string, Refusal>;
  stop(): Promise<void>;
}

/** A write at a door: the row that it stored, or the refusal. Rejects when there is no answer. */
type Write = () => Promise<Acknowledged | Refusal>;

/** Starts writers that come again whatever happens, as services do. `others` are doors beside those of HTTP. */
export function startWriters(
  url: string,
  token: string,
  others: Readonly<Record<string, Write>> = {},
): Writers {
  const acknowledged: Acknowledged[] = [];
  const refusals = new Map<string, Refusal>();
  const stopping = new AbortController();
  const doors: Readonly<Record<string, Write>> = {
    REST: () => insert(url, token, 'tasks', { description: 'by REST' }),
    'REST, another table': () => insert(url, token, 'threads', {}),
    'REST, points': () =>
      insert(url, token, 'metrics', { service_name: 'rehearsal', metric_name: 'load', value: 1 }),
    GraphQL: () => mutate(url, token),
    ...others,
  };
  const running = Object.entries(doors).map(async ([door, write]) => {
    while (!stopping.signal.aborted) {
      const outcome = await write().catch(() => null);
      if (outcome !== null && 'id' in outcome) acknowledged.push(outcome);
      // Everything else is a refusal of another reason, such as a process that starts.
      else if (outcome !== null && /^(LTO01|WRITES_STOPPED)$/.test(outcome.code)) refusals.set(door, outcome);
      await pause(15);
    }
  });
  return {
    acknowledged,
    refusals,
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

async function insert(
  url: string,
  token: string,
  table: string,
  row: object,
): Promise<Acknowledged | Refusal> {
  const response = await fetch(`${url}/rest/v1/${table}?select=id`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      prefer: 'return=representation',
    },
    body: JSON.stringify(row),
    signal: AbortSignal.timeout(10_000),
  });
  const body = (await response.json()) as { code: string } | [{ id: string | number }];
  if (response.status === 201 && Array.isArray(body))
    return { table: `app_public.${table}`, id: String(body[0].id), at: Date.now() };
  return {
    status: response.status,
    code: Array.isArray(body) ? '' : body.code,
    retryAfter: response.headers.get('retry-after'),
  };
}

async function mutate(url: string, token: string): Promise<Acknowledged | Refusal> {
  const id = `agent-${randomUUID()}`;
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      query:
        'mutation ($id: String!) { createAgent(input: { agent: { id: $id, name: $id, model: "none" } }) { agent { id } } }',
      variables: { id },
    }),
    signal: AbortSignal.timeout(10_000),
  });
  const body = (await response.json()) as { errors?: readonly { extensions: { code: string } }[] };
  if (body.errors === undefined) return { table: 'app_public.agents', id, at: Date.now() };
  return {
    status: response.status,
    code: body.errors[0]?.extensions.code ?? '',
    retryAfter: response.headers.get('retry-after'),
  };
}
