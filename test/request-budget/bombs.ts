/** A request that is small to send and would be large to answer, by its door. */
export type Bomb = GraphqlBomb | RestBomb;

/** A bomb that is sent over HTTP and over WebSocket. */
export interface GraphqlBomb {
  readonly door: 'graphql';
  readonly name: string;
  readonly query: string;
  /** JSON text, because it may nest deeper than `JSON.stringify` can follow. */
  readonly variables?: string;
  readonly code: string;
}

export interface RestBomb {
  readonly door: 'rest';
  readonly name: string;
  /** The path below the root of the API. */
  readonly path: string;
  /** The body, sent unchanged. Without one the request is a GET. */
  readonly body?: string;
  readonly contentType?: string;
  readonly code: string;
}

/** Each bomb is refused with 4xx and its code, for every caller, before anything is planned or sent to the database. */
export const bombs: readonly Bomb[] = [
  ...[14, 25, 100].map((n) => fragments(n)),
  graphql('fragments in a long chain', chain(440), 'QUERY_TOO_DEEP'),
  graphql('aliases of a list, 300', `{ ${aliases(300, (k) => `tasks(first: ${k}) { nodes { id } }`)} }`),
  graphql(
    'aliases of a list, 3,000',
    `{ ${aliases(3_000, () => 'tasks { nodes { id } }')} }`,
    'QUERY_TOO_COMPLEX',
  ),
  graphql('aliases of a column', `{ tasks { nodes { ${aliases(2_000, () => 'description')} } } }`),
  graphql('a column again and again', `{ tasks { nodes { ${'id '.repeat(2_000)} } } }`),
  graphql('fragments beside each other', beside(1_500)),
  graphql('fragments that repeat each other', beside(450, 'id'), 'QUERY_TOO_COMPLEX'),
  graphql(
    'mutations, 300',
    `mutation { ${aliases(300, (k) => `createAgent(input: {agent: {id: "m${k}", name: "x", model: "y"}}) { clientMutationId }`)} }`,
  ),
  graphql(
    'lists in lists in lists',
    '{ agents(first: 1000) { nodes { tasks(first: 1000) { nodes { id description status } } } } }',
  ),
  graphql(
    'edges of edges',
    '{ agents { edges { node { tasks(last: 900) { edges { node { attempts(first: 900) { nodes { __typename } } } } } } } } }',
  ),
  graphql('a page of a million', '{ agents(first: 1000000) { nodes { id } } }', 'PAGE_TOO_LARGE'),
  graphql('a last page of a million', '{ agents(last: 1000000) { nodes { id } } }', 'PAGE_TOO_LARGE'),
  {
    ...graphql(
      'a page of a million by a variable',
      'query($n: Int) { agents(first: $n) { nodes { id } } }',
      'PAGE_TOO_LARGE',
    ),
    variables: '{"n": 1000000}',
  },
  {
    ...graphql(
      'long lists by variables',
      'query($n: Int) { agents(first: $n) { nodes { tasks(first: $n) { nodes { id } } } } }',
    ),
    variables: '{"n": 1000}',
  },
  graphql(
    '__schema, 60 times',
    `{ ${aliases(60, () => '__schema { types { name fields { name args { name type { name } } type { name } } } }')} }`,
  ),
  graphql(
    'a schema that goes round',
    '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
    'GRAPHQL_VALIDATION_FAILED',
  ),
  graphql(
    'the query within the query',
    `{ ${'query { '.repeat(25)} __typename ${'}'.repeat(25)} }`,
    'QUERY_TOO_DEEP',
  ),
  graphql('brackets that never end', '{a'.repeat(50_000), 'QUERY_TOO_DEEP'),
  graphql(
    'a list in a list in a list',
    `{ agents(filter: ${'['.repeat(50_000)}) { totalCount } }`,
    'QUERY_TOO_DEEP',
  ),
  graphql(
    'not, 2,000 deep',
    `{ agents(filter: ${'{not: '.repeat(2_000)}{}${'}'.repeat(2_000)}) { totalCount } }`,
    'QUERY_TOO_DEEP',
  ),
  {
    ...graphql(
      'not, 2,000 deep by a variable',
      'query($f: AgentFilter) { agents(filter: $f) { totalCount } }',
      'QUERY_TOO_DEEP',
    ),
    variables: `{"f": ${'{"not":'.repeat(2_000)}{}${'}'.repeat(2_000)}}`,
  },
  {
    ...graphql(
      'JSON, 100,000 deep',
      'query($j: JSON) { metricLatest(service: "s", tags: $j) { nodes { value } } }',
      'QUERY_TOO_DEEP',
    ),
    variables: `{"j": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  },
  {
    ...graphql('20,000 conditions', 'query($f: AgentFilter) { agents(filter: $f) { totalCount } }'),
    variables: JSON.stringify({
      f: { or: Array.from({ length: 20_000 }, (_, k) => ({ id: { equalTo: `a${k}` } })) },
    }),
  },
  {
    ...graphql('100,000 variables', 'query { agents { totalCount } }'),
    variables: JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, k) => [`k${k}`, 1]))),
  },
  graphql(
    '1,500 conditions in the text',
    `{ agents(filter: {or: [${'{id: {equalTo: "x"}} '.repeat(750)}]}) { totalCount } }`,
  ),
  graphql(
    'operations, 1,000',
    Array.from({ length: 1_000 }, (_, k) => `query Q${k} { __typename }`).join(' '),
  ),
  graphql('directives, 1,500', `{ __typename ${'@include(if: true) '.repeat(1_500)} }`),
  graphql('words, 100,000', `{ ${'id '.repeat(100_000)} }`),
  rest('embeds, 500', `/agents?select=id,${Array.from({ length: 500 }, (_, k) => `a${k}:tasks(id)`).join()}`),
  rest(
    'embeds in embeds',
    `/agents?select=id,${Array.from({ length: 12 }, (_, k) => `a${k}:tasks(b:agents(${'c:tasks(id),d:tasks(id),'.repeat(4)}id))`).join()}`,
  ),
  rest('steps into JSON, 5,000', `/agents?select=configuration${'->a'.repeat(5_000)}`),
  rest('a filter of 5,000 steps into JSON', `/agents?configuration${'->a'.repeat(5_000)}=eq.1`),
  rest('an order by 20,000 columns', `/agents?order=${'id,'.repeat(20_000)}id`),
  rest('20,000 columns', `/agents?select=${'id,'.repeat(20_000)}id`),
  rest('10,000 filters', `/agents?${'id=eq.1&'.repeat(10_000)}`),
  rest('10,000 conditions', `/agents?or=(${'id.eq.1,'.repeat(10_000)}id.eq.1)`),
  rest('not, 2,000 deep', `/agents?and=(${'not.and('.repeat(2_000)}id.eq.1${')'.repeat(2_000)})`, 'PGRST100'),
  rest('embeds, 5,000 deep', `/agents?select=${'tasks('.repeat(5_000)}`, 'PGRST100'),
  rest(
    '10,000 arguments',
    `/rpc/claim_task?${Array.from({ length: 10_000 }, (_, k) => `c${k}=1`).join('&')}`,
  ),
  write(
    '100,000 keys',
    '/agents',
    JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, k) => [`k${k}`, 1]))),
  ),
  {
    ...write(
      'a heading of 20,000 columns',
      '/agents',
      `${Array.from({ length: 20_000 }, (_, k) => `c${k}`).join()}\n${'1,'.repeat(19_999)}1\n`,
    ),
    contentType: 'text/csv',
  },
  write(
    '15,000 columns to write',
    `/agents?columns=${Array.from({ length: 15_000 }, (_, k) => `c${k}`).join()}`,
    '[]',
  ),
];

/** The GraphQL request of a bomb, as JSON. */
export function requestOf({ query, variables }: GraphqlBomb): string {
  return `{"query": ${JSON.stringify(query)}${variables === undefined ? '' : `, "variables": ${variables}`}}`;
}

function graphql(name: string, query: string, code = 'QUERY_TOO_COMPLEX'): GraphqlBomb {
  return { door: 'graphql', name, query, code };
}

function rest(name: string, path: string, code = 'LTR010'): RestBomb {
  return { door: 'rest', name, path, code };
}

function write(name: string, path: string, body: string): RestBomb {
  return { ...rest(name, path), body };
}

/** Fragments that each spread the next one twice. */
function fragments(n: number): GraphqlBomb {
  const each = Array.from({ length: n }, (_, k) => `fragment F${k} on Query { ...F${k + 1} ...F${k + 1} }`);
  const query = `{ ...F0 } ${each.join(' ')} fragment F${n} on Query { __typename }`;
  return graphql(`fragments that double, ${n} times`, query);
}

function chain(n: number): string {
  const each = Array.from({ length: n }, (_, k) => `fragment F${k} on Query { ...F${k + 1} }`);
  return `{ ...F0 } ${each.join(' ')} fragment F${n} on Query { __typename }`;
}

/** Fragments with one column each, or all with the same one. */
function beside(n: number, alias?: string): string {
  const spreads = Array.from({ length: n }, (_, k) => `...F${k}`).join(' ');
  const each = Array.from({ length: n }, (_, k) => `fragment F${k} on Task { ${alias ?? `a${k}`}: id }`);
  return `{ tasks { nodes { ${spreads} } } } ${each.join(' ')}`;
}

function aliases(n: number, field: (k: number) => string): string {
  return Array.from({ length: n }, (_, k) => `a${k}: ${field(k)}`).join(' ');
}
