import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The bytes of a file of SQLite in which the statements were run. */
export async function sqliteBytes(statements: string): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lt-sqlite-'));
  try {
    const file = path.join(folder, 'made.db');
    const database = new DatabaseSync(file);
    database.exec(statements);
    database.close();
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The tables of the legacy application database that have a place here, as its models make them: without rows. */
export const applicationSchema = `
  create table agents (id text primary key, name text, model text, specialization text, status text, config text, capabilities text,
    created_at text, updated_at text, config_encrypted text, capabilities_encrypted text);
  create table tasks (id text, agent_id text, description text, status text, priority text, context text, result text, error_message text,
    created_at text, started_at text, completed_at text);
  create table knowledge (id text, agent_id text, category text, content text, source text, metadata text, usage_count integer,
    relevance_score real, created_at text, last_used_at text);
  create table workflows (id text, name text, description text, steps text, status text, created_by text, assigned_to text, context text,
    created_at text, updated_at text, steps_encrypted text, context_encrypted text);
  create table users (id text, username text, email text, password_hash text, role text, is_active boolean, created_at text,
    updated_at text, email_encrypted text, password_hash_encrypted text);
  create table conversations (id text, task_id text, agent_id text, user_query text, agent_response text, context text,
    knowledge_metadata text, success boolean, knowledge_used integer, rl_enhanced boolean, created_at text, user_query_encrypted text,
    agent_response_encrypted text);
  create table metrics (id integer primary key, service_name text, metric_name text, value, tags text, timestamp text);
  create table server_tasks (id text);
  create table events (id text);`;
