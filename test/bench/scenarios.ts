import type { Request } from 'autocannon';
import { agentsPerTenant, busyAgentsPerTenant } from './keys.ts';

export const scenarioNames = ['get', 'list', 'insert'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export const ourNames = ['Agent Lightning GraphQL', 'Agent Lightning REST'] as const;
export const opponentNames = ['node:http + pg', 'plain PostGraphile', ...ourNames] as const;
export type OpponentName = (typeof opponentNames)[number];

/** Whether the opponent is this project: one server for both APIs, on the database with roles, policies and audit. */
export function isOurs(opponent: OpponentName): boolean {
  return ourNames.some((name) => name === opponent);
}

/** A requester: its tenant, and its token. */
export interface Identity {
  readonly tenantId: string;
  readonly token: string;
}

/** A request, and the test of its answer. */
export interface Question {
  readonly request: Request;
  readonly isAnswer: (body: string) => boolean;
}

/** The requests to each opponent. The same `random` gives each the same keys. */
export interface Scenario {
  readonly title: string;
  readonly insertsRows: boolean;
  ask(opponent: OpponentName, identity: Identity, random: () => number): Question;
}

const pageSize = 50;

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  get: {
    title: 'get one agent by id',
    insertsRows: false,
    ask(opponent, identity, random) {
      const id = `agent-${Math.floor(random() * agentsPerTenant)}`;
      const { tenantId } = identity;
      return {
        request: {
          'node:http + pg': () => get(`/${tenantId}/agents/${id}`),
          'plain PostGraphile': () => graphql(documents.plain.get, { tenantId, id }),
          'Agent Lightning GraphQL': () => graphql(documents.ours.get, { id }, identity.token),
          'Agent Lightning REST': () =>
            rest('GET', `agents?id=eq.${id}&select=${columns.agent}`, identity.token, {
              accept: 'application/vnd.pgrst.object+json',
            }),
        }[opponent](),
        isAnswer: (body) =>
          hasNoErrors(body) &&
          body.includes(`"id":"${id}"`) &&
          body.includes(`"name":"${id} of ${tenantId}"`),
      };
    },
  },
  list: {
    title: `list ${pageSize} tasks by agent and status`,
    insertsRows: false,
    ask(opponent, identity, random) {
      const agentId = `agent-${Math.floor(random() * busyAgentsPerTenant)}`;
      const status = 'completed';
      const { tenantId } = identity;
      return {
        request: {
          'node:http + pg': () => get(`/${tenantId}/tasks?agentId=${agentId}&status=${status}`),
          'plain PostGraphile': () => graphql(documents.plain.list, { tenantId, agentId, status }),
          'Agent Lightning GraphQL': () => graphql(documents.ours.list, { agentId, status }, identity.token),
          'Agent Lightning REST': () =>
            rest(
              'GET',
              `tasks?agent_id=eq.${agentId}&status=eq.${status}&select=${columns.task}&order=tenant_id,id&limit=${pageSize}`,
              identity.token,
            ),
        }[opponent](),
        isAnswer: (body) => hasNoErrors(body) && occurrences(body, `"agentId":"${agentId}"`) === pageSize,
      };
    },
  },
  insert: {
    title: 'insert one task',
    insertsRows: true,
    ask(opponent, identity, random) {
      const agentId = `agent-${Math.floor(random() * agentsPerTenant)}`;
      const task = {
        agentId,
        description: `Read the sources of ${agentId} and write down what matters, number ${Math.floor(random() * 1e6)}`,
        priority: 'high',
        context: { repository: 'repository 7', attempt: 1, labels: ['a', 'b'] },
      };
      const { tenantId } = identity;
      return {
        request: {
          'node:http + pg': () => post(`/${tenantId}/tasks`, task),
          'plain PostGraphile': () => graphql(documents.plain.insert, { task: { tenantId, ...task } }),
          'Agent Lightning GraphQL': () => graphql(documents.ours.insert, { task }, identity.token),
          'Agent Lightning REST': () =>
            rest(
              'POST',
              `tasks?select=${columns.insertedTask}`,
              identity.token,
              { accept: 'application/vnd.pgrst.object+json', prefer: 'return=representation' },
              { ...task, agent_id: agentId, agentId: undefined },
            ),
        }[opponent](),
        isAnswer: (body) =>
          hasNoErrors(body) && body.includes(`"agentId":"${agentId}"`) && body.includes('"status":"pending"'),
      };
    },
  },
};

/**
 * The same fields of the same rows. Plain PostGraphile names columns and look-ups differently (`rowId`, `allTasks`), so
 * aliases make its answers identical to the byte. Where it has to be told the tenant, this project learns it from the
 * token.
 */
const documents = {
  plain: {
    get: `query Get($tenantId: String!, $id: String!) {
      agent: agentByTenantIdAndRowId(tenantId: $tenantId, rowId: $id) {
        id: rowId name model specialization status config createdAt updatedAt
      }
    }`,
    list: `query List($tenantId: String!, $agentId: String!, $status: String!) {
      tasks: allTasks(condition: { tenantId: $tenantId, agentId: $agentId, status: $status }, first: ${pageSize}) {
        nodes { id: rowId agentId description status priority createdAt completedAt }
      }
    }`,
    insert: `mutation Insert($task: TaskInput!) {
      createTask(input: { task: $task }) { task { id: rowId agentId status createdAt } }
    }`,
  },
  ours: {
    get: `query Get($id: String!) {
      agent(id: $id) {
        id name model specialization status config createdAt updatedAt
      }
    }`,
    list: `query List($agentId: String!, $status: String!) {
      tasks(condition: { agentId: $agentId, status: $status }, first: ${pageSize}) {
        nodes { id agentId description status priority createdAt completedAt }
      }
    }`,
    insert: `mutation Insert($task: TaskInput!) {
      createTask(input: { task: $task }) { task { id agentId status createdAt } }
    }`,
  },
};

/** The columns of REST's answers, renamed in the same way. */
const columns = {
  agent: 'id,name,model,specialization,status,config,createdAt:created_at,updatedAt:updated_at',
  task: 'id,agentId:agent_id,description,status,priority,createdAt:created_at,completedAt:completed_at',
  insertedTask: 'id,agentId:agent_id,status,createdAt:created_at',
};

function rest(
  method: 'GET' | 'POST',
  path: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
  body?: object,
): Request {
  return {
    method,
    path: `/rest/v1/${path}`,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  };
}

function get(path: string): Request {
  return { method: 'GET', path };
}

function post(path: string, body: object, headers: Readonly<Record<string, string>> = {}): Request {
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
}

function graphql(query: string, variables: object, token?: string): Request {
  return post(
    '/graphql',
    { query, variables },
    { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
  );
}

function hasNoErrors(body: string): boolean {
  return !body.includes('"errors":');
}

function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
