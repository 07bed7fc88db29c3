import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Pool } from 'pg';
import { listenAndAnnounce, opponentEnvironment } from './opponent-process.ts';

/**
 * The opponent that a developer in a hurry writes by hand: node:http and node-postgres, one prepared statement per
 * request, without authentication. Run as a separate process.
 */
const { databaseUrl, poolSize } = opponentEnvironment();
const pool = new Pool({ connectionString: databaseUrl, max: poolSize, idleTimeoutMillis: 0 });

const getAgent = {
  name: 'get_agent',
  text: `select id, name, model, specialization, status, config,
           created_at as "createdAt", updated_at as "updatedAt"
         from app_public.agents where tenant_id = $1 and id = $2`,
};
const listTasks = {
  name: 'list_tasks',
  text: `select id, agent_id as "agentId", description, status, priority, created_at as "createdAt",
           completed_at as "completedAt"
         from app_public.tasks where tenant_id = $1 and agent_id = $2 and status = $3
         order by tenant_id, id limit 50`,
};
const insertTask = {
  name: 'insert_task',
  text: `insert into app_public.tasks (tenant_id, agent_id, description, priority, context)
         values ($1, $2, $3, $4, $5)
         returning id, agent_id as "agentId", status, created_at as "createdAt"`,
};

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    respond(response, 500, { error: String(error) });
  });
});
listenAndAnnounce(server, () => pool.end());

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, tenant, table, id] = url.pathname.split('/');
  if (request.method === 'GET' && table === 'agents') {
    const { rows } = await pool.query({ ...getAgent, values: [tenant, id] });
    respond(response, rows.length === 0 ? 404 : 200, rows[0] ?? null);
  } else if (request.method === 'GET' && table === 'tasks') {
    const values = [tenant, url.searchParams.get('agentId'), url.searchParams.get('status')];
    respond(response, 200, (await pool.query({ ...listTasks, values })).rows);
  } else if (request.method === 'POST' && table === 'tasks') {
    const task = JSON.parse(await bodyOf(request)) as Record<string, unknown>;
    const values = [tenant, task['agentId'], task['description'], task['priority'], task['context']];
    respond(response, 201, (await pool.query({ ...insertTask, values })).rows[0]);
  } else {
    respond(response, 404, { error: `nothing at ${request.method} ${request.url}` });
  }
}

function respond(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
