import { createHash, randomUUID } from 'node:crypto';
import type { Inlet, Surface } from './surface.ts';
import { poisonOf } from './values.ts';
import type { Dose, JsonText } from './values.ts';

/** A request with one poisoned place. */
export interface Dosed extends Sent {
  readonly place: PoisonedPlace;
}

/** A request, and what it is about. */
export interface Sent {
  /** The place, and the beginning of the poison. */
  readonly what: string;
  send(): Promise<Answer>;
}

/** A place that a request can be poisoned in. */
export interface PoisonedPlace {
  readonly use: 'insert' | 'filter' | 'call' | 'graphql';
  /** Of a table, a function, or a field of GraphQL. */
  readonly owner: string;
  /** Of a column, an argument, or a path in the arguments of GraphQL. */
  readonly name: string;
  readonly type: string;
  readonly poison: JsonText;
}

/** A door's answer. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The fault of an answer; null when the door took the poison, or said what is wrong with it. */
export function faultOf({ status, body }: Answer): string | null {
  if (status >= 500) return `status ${status}: ${body.slice(0, 300)}`;
  return body.includes('INTERNAL_ERROR') ? `INTERNAL_ERROR: ${body.slice(0, 300)}` : null;
}

/** The sender, and the address. */
export interface Sender {
  readonly url: string;
  readonly token: string;
}

/** A request of a service. */
export function post(
  sender: Sender,
  path: string,
  body: JsonText,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return ask(sender, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
}

/** The same as a GET. */
export function get(sender: Sender, path: string, accept = 'application/json'): Promise<Answer> {
  return ask(sender, path, { headers: { accept } });
}

/** Sends a request again on a new connection when a kept one is closed at the moment of use. */
async function ask(
  { url, token }: Sender,
  path: string,
  init: RequestInit,
  isSecond = false,
): Promise<Answer> {
  try {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    const response = await fetch(`${url}${path}`, { ...init, headers });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    if (!isSecond) return ask({ url, token }, path, init, true);
    return { status: 599, body: `no answer: ${String((error as Error).cause ?? error)}` };
  }
}

/** Values of the places that are not poisoned, by name; they are made anew for each request. */
const sound: Readonly<Record<string, () => unknown>> = {
  id: () => randomUUID(),
  token: () => createHash('sha256').update(randomUUID()).digest('hex'),
  expires_at: () => new Date(Date.now() + 3_600_000).toISOString(),
  value: () => 1,
  from: () => '2026-01-01T00:00:00Z',
  to: () => '2026-01-02T00:00:00Z',
  points: () => ({ service_name: 's', metric_name: 'm', value: 1 }),
  tasks: () => [{ description: 'x' }],
  items: () => [{ content: 'x' }],
  ids: () => ['x'],
  fencing_token: () => 1,
  task_id: () => randomUUID(),
  workflow_id: () => randomUUID(),
  thread_id: () => randomUUID(),
  messages: () => [{ role: 'user', content: 'x' }],
  session_id: () => randomUUID(),
};

/** A body with one poisoned place. */
function bodyOf(inlets: readonly Inlet[], poisoned: Inlet, poison: JsonText, given: object = {}): JsonText {
  const rest: Record<string, unknown> = {};
  for (const { name, optional } of inlets)
    if (!optional || name === 'token') rest[name] = (sound[name] ?? (() => 'x'))();
  const members = Object.entries({ ...rest, ...given }).filter(([name]) => name !== poisoned.name);
  return `{${[
    ...members.map(([name, value]) => [name, JSON.stringify(value)] as const),
    [poisoned.name, poison] as const,
  ]
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(',')}}`;
}

/** Every inlet with every poison of its type, through REST: insert, update, filter, call, and call by query. */
export function* throughRest(sender: Sender, surface: readonly Surface[], dose: Dose): Generator<Dosed> {
  for (const { kind, name: place, inlets } of surface) {
    for (const inlet of inlets) {
      for (const poison of poisonOf(inlet.type, dose)) {
        const what = `${place}.${inlet.name} = ${poison.slice(0, 60)}`;
        const at = { owner: place, name: inlet.name, type: inlet.type, poison };
        if (kind === 'function') {
          yield {
            what: `rpc ${what}`,
            place: { ...at, use: 'call' },
            send: async () =>
              post(
                sender,
                `/rest/v1/rpc/${place}`,
                bodyOf(inlets, inlet, poison, await prepared(sender, inlets)),
              ),
          };
          continue;
        }
        const path = `/rest/v1/${place}`;
        yield {
          what: `insert ${what}`,
          place: { ...at, use: 'insert' },
          send: () => post(sender, path, bodyOf(inlets, inlet, poison), { prefer: 'return=representation' }),
        };
        if (poison.length > 2_000) continue;
        const text = encodeURIComponent(poison.startsWith('"') ? poison.slice(1, -1) : poison);
        yield {
          what: `filter ${what}`,
          place: { ...at, use: 'filter' },
          send: () => get(sender, `${path}?${inlet.name}=eq.${text.replaceAll('%5Cu0000', '%00')}&limit=1`),
        };
      }
    }
  }
}

/** The preparation that calls about a claimed task, or a started workflow, need to get to their work. */
async function prepared(sender: Sender, inlets: readonly Inlet[]): Promise<object> {
  const names = new Set(inlets.map(({ name }) => name));
  const call = async (name: string, body: object) =>
    JSON.parse((await post(sender, `/rest/v1/rpc/${name}`, JSON.stringify(body))).body) as Record<
      string,
      unknown
    >;
  if (names.has('fencing_token')) {
    const filter = { given: randomUUID() };
    await call('enqueue_task', { description: 'x', context: filter, priority: 'critical' });
    const [task] = (await call('claim_task', { agent: 'x', filter })) as unknown as [
      { task_id: string; fencing_token: number },
    ];
    return { task_id: task.task_id, fencing_token: task.fencing_token };
  }
  if (names.has('workflow_id')) {
    const steps = [{ key: 'a', task: { description: 'x' } }];
    const made = await post(sender, '/rest/v1/workflows', JSON.stringify({ name: 'x', steps }), {
      prefer: 'return=representation',
    });
    const [{ id }] = JSON.parse(made.body) as [{ id: string }];
    return { workflow_id: id };
  }
  if (names.has('thread_id')) {
    const made = await post(sender, '/rest/v1/threads', '{}', { prefer: 'return=representation' });
    const [{ id }] = JSON.parse(made.body) as [{ id: string }];
    return { thread_id: id };
  }
  return {};
}

interface TypeRef {
  readonly kind: string;
  readonly name: string | null;
  readonly ofType: TypeRef | null;
}
interface InputValue {
  readonly name: string;
  readonly type: TypeRef;
}
interface NamedType {
  readonly name: string;
  readonly kind: string;
  readonly fields:
    readonly { readonly name: string; readonly args: readonly InputValue[]; readonly type: TypeRef }[] | null;
  readonly inputFields: readonly InputValue[] | null;
}

/**
 * Every leaf of every GraphQL input except filters, by introspection. Arguments that a function of the surface needs are given, although
 * GraphQL takes each for optional.
 */
export async function throughGraphql(
  sender: Sender,
  surface: readonly Surface[],
  dose: Dose,
): Promise<Generator<Dosed>> {
  const type = 'kind name ofType { kind name ofType { kind name ofType { kind name } } }';
  const query = `{ schema: __schema { types { name kind inputFields { name type { ${type} } }
    fields { name type { ${type} } args { name type { ${type} } } } } } }`;
  const answer = await post(sender, '/graphql', JSON.stringify({ query }));
  const { types } = (JSON.parse(answer.body) as { data: { schema: { types: NamedType[] } } }).data.schema;
  const needed = surface
    .filter(({ kind }) => kind === 'function')
    .map(
      ({ name, inlets }) =>
        [
          camel(name),
          new Set(inlets.filter(({ optional }) => !optional).map((one) => camel(one.name))),
        ] as const,
    );
  // create_session has another name, because the table has taken this one.
  const underOwnName = needed.map(
    ([name, names]) => [name === 'createSession' ? 'openSession' : name, names] as const,
  );
  return dosedFields(sender, new Map(types.map((one) => [one.name, one])), new Map(underOwnName), dose);
}

function camel(name: string): string {
  return name.replaceAll(/_[a-z]/g, (part) => part.slice(1).toUpperCase());
}

function* dosedFields(
  sender: Sender,
  types: ReadonlyMap<string, NamedType>,
  neededBy: ReadonlyMap<string, ReadonlySet<string>>,
  dose: Dose,
): Generator<Dosed> {
  for (const [root, operation] of [
    ['Query', 'query'],
    ['Mutation', 'mutation'],
  ] as const) {
    for (const field of types.get(root)?.fields ?? []) {
      const args = field.args.filter(
        ({ name }) => !/^(filter|condition|orderBy|first|last|offset|before|after)$/.test(name),
      );
      const selection = /^(SCALAR|ENUM)$/.test(named(field.type).kind) ? '' : '{ __typename }';
      const declared = args.map(({ name, type }) => `$${name}: ${written(type)}`).join(', ');
      const used = args.map(({ name }) => `${name}: $${name}`).join(', ');
      if (args.length === 0) continue;
      const text = `${operation}(${declared}) { ${field.name}(${used}) ${selection} }`;
      for (const { path, type } of leaves(types, args, [])) {
        for (const poison of poisonOf(type, dose)) {
          const variables = inputs(types, args, path, poison, neededBy.get(field.name) ?? new Set());
          yield {
            what: `graphql ${field.name} ${path.join('.')} = ${poison.slice(0, 60)}`,
            place: { use: 'graphql', owner: field.name, name: path.join('.'), type, poison },
            send: () =>
              post(sender, '/graphql', `{"query":${JSON.stringify(text)},"variables":${variables}}`),
          };
        }
      }
    }
  }
}

function named(type: TypeRef): TypeRef {
  return type.ofType ? named(type.ofType) : type;
}

function written(type: TypeRef): string {
  if (type.kind === 'NON_NULL') return `${written(type.ofType!)}!`;
  return type.kind === 'LIST' ? `[${written(type.ofType!)}]` : type.name!;
}

function isList(type: TypeRef): boolean {
  return type.kind === 'LIST' || (type.kind === 'NON_NULL' && isList(type.ofType!));
}

/** Interval is an object in GraphQL, whose parts are numbers. */
function leaves(
  types: ReadonlyMap<string, NamedType>,
  values: readonly InputValue[],
  above: readonly string[],
): { path: readonly string[]; type: string }[] {
  return values.flatMap(({ name, type }) => {
    const inner = types.get(named(type).name!);
    const path = [...above, name];
    if (name === 'clientMutationId') return [];
    if (inner?.kind === 'INPUT_OBJECT' && above.length < 3)
      return leaves(types, inner.inputFields ?? [], path);
    return [{ path, type: named(type).name! + (isList(type) && named(type).name !== 'Vector' ? '[]' : '') }];
  });
}

function inputs(
  types: ReadonlyMap<string, NamedType>,
  values: readonly InputValue[],
  path: readonly string[],
  poison: JsonText,
  needed: ReadonlySet<string>,
): JsonText {
  const [next, ...rest] = path;
  const members = values.flatMap(({ name, type }) => {
    const inner = types.get(named(type).name!);
    const isObject = inner?.kind === 'INPUT_OBJECT';
    if (name === next && rest.length === 0) return [`${JSON.stringify(name)}:${poison}`];
    if (name === next || (type.kind === 'NON_NULL' && isObject))
      return [
        `${JSON.stringify(name)}:${inputs(types, inner?.inputFields ?? [], name === next ? rest : [], poison, needed)}`,
      ];
    if (type.kind !== 'NON_NULL' && !needed.has(name)) return [];
    const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const value = named(type).name === 'UUID' ? randomUUID() : (sound[snake] ?? (() => 'x'))();
    return [`${JSON.stringify(name)}:${JSON.stringify(value)}`];
  });
  return `{${members.join(',')}}`;
}

/** Reads back everything that was stored, through each door that reads. */
export function* readsBack(sender: Sender, surface: readonly Surface[]): Generator<Sent> {
  for (const { kind, name } of surface) {
    if (kind !== 'table') continue;
    for (const accept of ['application/json', 'text/csv'])
      yield {
        what: `read ${name} as ${accept}`,
        send: () => get(sender, `/rest/v1/${name}?limit=1000`, accept),
      };
  }
  for (const aggregate of ['count', 'min', 'max', 'last', 'sum', 'avg', 'rate', 'p50'])
    yield {
      what: `read the series of ${aggregate}`,
      send: () =>
        get(
          sender,
          `/rest/v1/rpc/metric_series?service=s&metric=m&from=yesterday&to=tomorrow&bucket=1d&aggregate=${aggregate}`,
        ),
    };
}
