// The code that runs in the browser: each client as in its own quick start, bundled by open-page.ts. Every function
// takes the address of the API and a token, and returns what the page saw.
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PostgrestClient } from '@supabase/postgrest-js';
import { createClient } from '@supabase/supabase-js';
import { Client as UrqlClient, cacheExchange, fetchExchange } from '@urql/core';
import { EventSource as FetchEventSource } from 'eventsource';
import { createClient as createWsClient } from 'graphql-ws';

const list = '{ agents(orderBy: ID_ASC) { nodes { id } } }';
const create = (id: string) =>
  `mutation { createAgent(input: {agent: {id: "${id}", name: "n", model: "m"}}) { agent { id } } }`;

const clients = {
  supabase: async (url: string, token: string) => {
    const supabase = createClient(url, token);
    const made = await supabase.from('agents').insert({ id: 'supabase', name: 'n', model: 'm' }).select('id');
    const read = await supabase.from('agents').select('id', { count: 'exact' }).eq('id', 'supabase').single();
    const called = await supabase.rpc('enqueue_task', { agent_id: 'supabase', description: 'd' });
    const session = await supabase.auth.signInWithPassword({ email: 'a@b.example', password: 'x' });
    const channel = await new Promise<string>((resolve) => {
      supabase.channel('room').subscribe((status, error) => resolve(`${status} ${error?.message}`));
    });
    await supabase.removeAllChannels();
    return {
      errors: [made.error, read.error, called.error],
      read: read.data,
      count: read.count,
      session: session.error?.message,
      channel,
    };
  },
  postgrest: async (url: string, token: string) => {
    const api = new PostgrestClient(`${url}/rest/v1`, { headers: { authorization: `Bearer ${token}` } });
    const made = await api.from('agents').insert({ id: 'postgrest', name: 'n', model: 'm' });
    const missing = await api.from('nothing').select();
    return { status: made.status, missing: missing.error?.code };
  },
  urql: async (url: string, token: string) => {
    const client = new UrqlClient({
      url: `${url}/graphql`,
      exchanges: [cacheExchange, fetchExchange],
      fetchOptions: { headers: { authorization: `Bearer ${token}` } },
    });
    const made = await client.mutation(create('urql'), {}).toPromise();
    const listed = await client.query(list, {}).toPromise();
    const refused = await client.query('{ nothing }', {}).toPromise();
    return {
      error: made.error?.message ?? listed.error?.message,
      ids: listed.data?.agents.nodes.map(({ id }: { id: string }) => id),
      refused: refused.error?.graphQLErrors[0]?.message,
    };
  },
  apollo: async (url: string, token: string) => {
    const client = new ApolloClient({
      link: new HttpLink({ uri: `${url}/graphql`, headers: { authorization: `Bearer ${token}` } }),
      cache: new InMemoryCache(),
    });
    await client.mutate({ mutation: gql(create('apollo')) });
    const { data } = await client.query<{ agents: { nodes: { id: string }[] } }>({ query: gql(list) });
    return data?.agents.nodes.map(({ id }) => id);
  },
  graphqlWs: async (url: string, token: string) => {
    const client = createWsClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    try {
      const { value } = await client.iterate({ query: '{ __typename }' }).next();
      return JSON.stringify(value.data);
    } finally {
      await client.dispose();
    }
  },
  /** Resolves with the kind of the first event; the package is a client on top of fetch. */
  eventsource: (url: string, token: string) =>
    new Promise<string>((resolve) => {
      const source = new FetchEventSource(`${url}/events?topics=agents`, {
        fetch: (input, init) =>
          fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
      });
      const end = (what: string) => {
        source.close();
        resolve(what);
      };
      source.addEventListener('ready', ({ data }) => end(data));
      source.addEventListener('error', ({ code, message }) => end(`${code} ${message}`));
    }),
  /** Status and readable headers of an answer, or how fetch failed. */
  fetch: async (url: string, token: string | null, path: string, method = 'GET', body?: string) => {
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      });
      const answer = { status: response.status, headers: Object.fromEntries(response.headers) };
      await response.body?.cancel();
      return answer;
    } catch (error) {
      return String(error);
    }
  },
};

/** The functions for the tests, which call them by name. */
export type Clients = typeof clients;
/** The package, for code of the docs that imports it. */
const packages = { eventsource: { EventSource: FetchEventSource } };
Object.assign(globalThis, { clients, packages });
