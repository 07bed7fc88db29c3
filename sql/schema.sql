-- Written by npm run db:schema: do not edit. It shows every table, type, sequence and view as the committed migrations
-- make them; the file of each, in the folders beside this one, gives the reasons. A comment stands above its object.

-- Keys that services use in place of a JWT. A key itself is stored nowhere, only its digest.
create table app_private.api_keys (
  -- The part of the key after `ltk_`, by which it is found: 12 hexadecimal digits, unique across tenants.
  id text collate "C" not null,
  -- The tenant; null: an operator's key, which belongs to no tenant.
  tenant_id text collate "C",
  -- The service that uses it: the subject of its requests. Two keys may have one name, so that one can replace the other.
  name text not null,
  -- The role of its requests: member, service, admin or operator.
  role text not null,
  -- SHA-256 of the key, 64 hexadecimal digits.
  digest text not null,
  -- The subject that made it, or the login of a direct connection.
  created_by text not null,
  -- When it was made.
  created_at timestamp with time zone not null default now(),
  -- When it ends; null: never.
  expires_at timestamp with time zone,
  -- When it was last used, to the minute; null: not yet.
  last_used_at timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint api_keys_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
  constraint api_keys_id_check CHECK ((id ~ '^[0-9a-f]{12}$'::text)),
  constraint api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint api_keys_role_check CHECK ((role = ANY (ARRAY['member'::text, 'service'::text, 'admin'::text, 'operator'::text]))),
  constraint api_keys_tenant_id_role_check CHECK (((role = 'operator'::text) = (tenant_id IS NULL)))
);

CREATE INDEX api_keys_tenant_id_idx ON app_private.api_keys USING btree (tenant_id);

create policy manage_owner on app_private.api_keys for all to :OWNER using (true) with check (true);

CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_private.api_keys REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_api_keys__log_rows('{id,tenant_id,name,role,digest,created_by,created_at,expires_at,last_used_at}', '{digest}', '{last_used_at}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_private.api_keys REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_api_keys__log_rows('{id,tenant_id,name,role,digest,created_by,created_at,expires_at,last_used_at}', '{digest}', '{last_used_at}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_private.api_keys FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_private.api_keys REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_api_keys__log_rows('{id,tenant_id,name,role,digest,created_by,created_at,expires_at,last_used_at}', '{digest}', '{last_used_at}');

-- Snapshots by time, for trimming the outbox.
create table app_private.event_marks (
  -- When the snapshot was taken.
  at timestamp with time zone not null default clock_timestamp(),
  -- The transactions that were visible then.
  snapshot pg_snapshot not null default pg_current_snapshot(),
  -- Whether the outbox was trimmed to this mark; true for one of them.
  trimmed boolean not null default false,
  constraint event_marks_pkey PRIMARY KEY (at)
);

create policy manage_owner on app_private.event_marks for all to :OWNER using (true) with check (true);

-- The outbox of live updates: the rows that changed, in one event per statement and tenant. Kept for about an hour.
create table app_private.events (
  -- The transaction that made the change.
  transaction_id xid8 not null default pg_current_xact_id(),
  -- The order within a transaction; it has no meaning across transactions.
  id bigint not null generated always as identity,
  -- The tenant whose rows changed.
  tenant_id text collate "C" not null,
  -- The table: tasks, workflows, agents, threads, messages.
  topic text not null,
  -- One of insert, update, delete.
  operation text not null,
  -- The ids of the rows; null when more than 1,000 changed at once.
  keys text[],
  -- When the transaction began.
  at timestamp with time zone not null default now(),
  constraint events_pkey PRIMARY KEY (transaction_id, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

create policy manage_owner on app_private.events for all to :OWNER using (true) with check (true);

-- Fencing tokens of leases: a later claim has a larger one.
create sequence app_private.fencing_tokens as bigint;

-- The tenant that a direct login (an analyst's, a service's) sees.
create table app_private.tenant_logins (
  -- The login's name, as session_user returns it.
  login name not null,
  -- The one tenant that it sees.
  tenant_id text collate "C" not null,
  -- When it was bound.
  created_at timestamp with time zone not null default now(),
  -- The connections that it may have at a time.
  connections integer not null default 5,
  -- How long a statement of it may run.
  statement_seconds integer not null default 20,
  -- How long a transaction of it may be open.
  transaction_seconds integer not null default 25,
  -- How long an open transaction of it may do nothing.
  idle_in_transaction_seconds integer not null default 15,
  -- How long a session of it may do nothing.
  idle_seconds integer not null default 3600,
  constraint tenant_logins_pkey PRIMARY KEY (login),
  constraint tenant_logins_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE CASCADE,
  constraint tenant_logins_connections_check CHECK (((connections >= 1) AND (connections <= 1000))),
  constraint tenant_logins_idle_in_transaction_seconds_check CHECK (((idle_in_transaction_seconds >= 1) AND (idle_in_transaction_seconds <= 86400))),
  constraint tenant_logins_idle_seconds_check CHECK (((idle_seconds >= 1) AND (idle_seconds <= 604800))),
  constraint tenant_logins_statement_seconds_check CHECK (((statement_seconds >= 1) AND (statement_seconds <= 86400))),
  constraint tenant_logins_transaction_seconds_check CHECK (((transaction_seconds >= 1) AND (transaction_seconds <= 86400)))
);

CREATE INDEX tenant_logins_tenant_id_idx ON app_private.tenant_logins USING btree (tenant_id);

create policy manage_owner on app_private.tenant_logins for all to :OWNER using (true) with check (true);

CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_private.tenant_logins REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenant_logins__log_rows('{login,tenant_id,created_at,connections,statement_seconds,transaction_seconds,idle_in_transaction_seconds,idle_seconds}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_private.tenant_logins REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenant_logins__log_rows('{login,tenant_id,created_at,connections,statement_seconds,transaction_seconds,idle_in_transaction_seconds,idle_seconds}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_private.tenant_logins FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_private.tenant_logins REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenant_logins__log_rows('{login,tenant_id,created_at,connections,statement_seconds,transaction_seconds,idle_in_transaction_seconds,idle_seconds}', '{}', '{}');

-- @unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent
-- An AI agent: who it is, which model it runs on and how it is set up.
create table app_public.agents (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The agent's id in its tenant, e.g. `full_stack_developer`.
  id character varying(50) not null,
  -- The name to show.
  name character varying(100) not null,
  -- The language model, e.g. `gpt-4o`.
  model character varying(50) not null,
  -- What it is good at, in a word or two.
  specialization character varying(50),
  -- One of idle, busy, paused, offline, error.
  status character varying(20) not null default 'idle'::character varying,
  -- Everything else about it: prompts, capabilities, limits.
  config jsonb not null default '{}'::jsonb,
  -- When the agent was registered.
  created_at timestamp with time zone not null default now(),
  -- When the row last changed; set by a trigger.
  updated_at timestamp with time zone not null default now(),
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint agents_pkey PRIMARY KEY (tenant_id, id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint agents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint agents_id_check CHECK (((id)::text <> ''::text)),
  constraint agents_status_check CHECK (((status)::text = ANY ((ARRAY['idle'::character varying, 'busy'::character varying, 'paused'::character varying, 'offline'::character varying, 'error'::character varying])::text[])))
);

create policy delete_jobs on app_public.agents for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_tenant on app_public.agents for delete to :ADMIN, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_tenant on app_public.agents for insert to :ADMIN, :MEMBER, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.agents for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_tenant on app_public.agents for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_tenant on app_public.agents for update to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, name, model, specialization, status, config, created_at), select, update (name, model, specialization, status, config) on app_public.agents to :ADMIN, :SERVICE;
grant delete, select (ctid, tenant_id) on app_public.agents to :JOBS;
grant insert (tenant_id, id, name, model, specialization, status, config), select, update (name, model, specialization, status, config) on app_public.agents to :MEMBER;
grant select on app_public.agents to :ANALYST;

CREATE TRIGGER _100_timestamps BEFORE UPDATE ON app_public.agents FOR EACH ROW EXECUTE FUNCTION app_private.tg__touch_updated_at();
CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.agents FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR ((old.id)::text IS DISTINCT FROM (new.id)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF config ON app_public.agents FOR EACH ROW WHEN (app_private.may_print_long(new.config)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('config');
CREATE TRIGGER _500_publish_delete AFTER DELETE ON app_public.agents REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_insert AFTER INSERT ON app_public.agents REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_update AFTER UPDATE ON app_public.agents REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.agents REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agents__log_rows('{tenant_id,id,name,model,specialization,status,config,created_at,updated_at}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.agents REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agents__log_rows('{tenant_id,id,name,model,specialization,status,config,created_at,updated_at}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.agents FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.agents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agents__log_rows('{tenant_id,id,name,model,specialization,status,config,created_at,updated_at}', '{}', '{}');

create type app_public.audit_entry as (
  -- When the transaction began.
  at timestamp with time zone,
  -- Orders the changes of a row.
  id bigint,
  -- The transaction that made the change.
  transaction_id text,
  -- The table with its schema, as it was called then.
  table_name text,
  -- insert, update, delete, truncate; present: the row was there when tracking began; read: somebody read the log.
  operation text,
  -- 1 for a row; the number of rows of a statement that is logged as a whole; of a read, how many entries it gave.
  row_count integer,
  -- The primary key of the row.
  key jsonb,
  -- The row of a delete; of an update the former values of the columns that changed.
  old_values jsonb,
  -- The row of an insert; of an update the new values of the columns that changed; of a read its arguments.
  new_values jsonb,
  -- The verified subject of the token; null for a direct login.
  subject text,
  -- The login of the connection.
  login text,
  -- The role that the statement ran under.
  role text,
  -- The API request, as in its X-Request-Id header.
  request_id text,
  -- Pass it to go on after this entry.
  cursor text
);

create type app_public.audit_row as (
  -- present, absent, or unknown: the log has nothing about the row.
  state text,
  -- The values that the log knows, under the names of that time; null unless the row is present.
  row_values jsonb,
  -- Columns that the row may have and whose value the log cannot tell.
  unknown_columns text[],
  -- Columns of which the log has a SHA-256 and not the value.
  digested_columns text[],
  -- Why something is not known; null when everything is.
  note text
);

create type app_public.claimed_task as (
  -- The task's id.
  task_id uuid,
  -- Pass it with every call about this attempt.
  fencing_token bigint,
  -- The number of this attempt, from 1.
  attempt integer,
  -- After this many failures it is dead.
  max_attempts integer,
  -- When the lease ends, and others may claim the task, unless heartbeat_task extends it.
  expires_at timestamp with time zone,
  -- The agent that should do it; null: any.
  agent_id character varying(50),
  -- One of low, normal, high, critical.
  priority character varying(20),
  -- What to do.
  description text,
  -- What the agent needs to know.
  context jsonb,
  -- The capabilities that an agent needs to claim it.
  required_capabilities text[],
  -- When the task was made.
  created_at timestamp with time zone
);

-- @unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge
-- An item of knowledge that agents look up, with an embedding to find it by meaning.
create table app_public.knowledge (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The item's id; random if not given.
  id character varying(100) not null default (gen_random_uuid())::text,
  -- The agent whose knowledge it is; null: every agent's, or the agent was removed.
  agent_id character varying(50),
  -- A word to group by.
  category character varying(50),
  -- The text itself.
  content text not null,
  -- Where it comes from: a file, an address, a whole quotation.
  source text,
  -- Anything else about it.
  metadata jsonb not null default '{}'::jsonb,
  -- The content's embedding, 1536 dimensions; null until it is computed. One shorter than 0.01 or longer than 65,504 is stored with length 1, which is the same to a search.
  embedding public.vector(1536),
  -- How often it was used.
  usage_count integer not null default 0,
  -- How useful it proved; 1 is neutral.
  relevance_score double precision not null default 1.0,
  -- When it was added.
  created_at timestamp with time zone not null default now(),
  -- When it was last used.
  last_used_at timestamp with time zone,
  -- Why the content could not be embedded; null: it was embedded, or this was not tried yet. Changed content is tried again.
  embedding_error text,
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint knowledge_pkey PRIMARY KEY (tenant_id, id),
  -- @fieldName agent
  -- @foreignFieldName knowledge
  -- The agent whose knowledge it is.
  constraint knowledge_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES app_public.agents(tenant_id, id) ON DELETE SET NULL (agent_id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint knowledge_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint knowledge_id_check CHECK (((id)::text <> ''::text)),
  constraint knowledge_usage_count_check CHECK ((usage_count >= 0))
) with (fillfactor = 85);

CREATE INDEX knowledge_agent_id_category_idx ON app_public.knowledge USING btree (tenant_id, agent_id, category);
CREATE INDEX knowledge_agent_id_idx ON app_public.knowledge USING btree (tenant_id, agent_id);
CREATE INDEX knowledge_content_idx ON app_public.knowledge USING gin (((to_tsvector('english'::regconfig, "left"(content, 200000)) || array_to_tsvector(ARRAY[('tenant:'::text || tenant_id)]))));
CREATE INDEX knowledge_created_at_idx ON app_public.knowledge USING btree (tenant_id, created_at) WHERE ((embedding IS NULL) AND (embedding_error IS NULL));
CREATE INDEX knowledge_embedding_idx ON app_public.knowledge USING hnsw (((embedding)::public.halfvec(1536)) public.halfvec_cosine_ops);
CREATE INDEX knowledge_metadata_idx ON app_public.knowledge USING gin (metadata jsonb_path_ops);

create policy delete_jobs on app_public.knowledge for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_tenant on app_public.knowledge for delete to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_tenant on app_public.knowledge for insert to :ADMIN, :MEMBER, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.knowledge for select to :JOBS using (true);
create policy select_search on app_public.knowledge for select to :SEARCH using (true);
create policy select_tenant on app_public.knowledge for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.knowledge for update to :JOBS using (true) with check (true);
create policy update_search on app_public.knowledge for update to :SEARCH using (true) with check (true);
create policy update_tenant on app_public.knowledge for update to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, agent_id, category, content, source, metadata, embedding), select, update (agent_id, category, content, source, metadata, embedding) on app_public.knowledge to :MEMBER;
grant delete, insert (tenant_id, id, agent_id, category, content, source, metadata, embedding, usage_count, relevance_score, created_at, last_used_at), select, update (agent_id, category, content, source, metadata, embedding, usage_count, relevance_score, last_used_at) on app_public.knowledge to :ADMIN, :SERVICE;
grant delete, select (ctid, tenant_id, id, content, embedding, created_at, embedding_error), update (embedding, embedding_error) on app_public.knowledge to :JOBS;
grant select on app_public.knowledge to :ANALYST;
grant select, update (usage_count, last_used_at) on app_public.knowledge to :SEARCH;

CREATE TRIGGER _200_embedding BEFORE INSERT OR UPDATE OF embedding ON app_public.knowledge FOR EACH ROW WHEN (((public.vector_norm(new.embedding) < (0.01)::double precision) OR (public.vector_norm(new.embedding) > (65504)::double precision))) EXECUTE FUNCTION app_private.tg_knowledge__comparable_embedding();
CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.knowledge FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR ((old.id)::text IS DISTINCT FROM (new.id)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF metadata ON app_public.knowledge FOR EACH ROW WHEN (app_private.may_print_long(new.metadata)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('metadata');
CREATE TRIGGER _500_clear_embedding BEFORE UPDATE OF content ON app_public.knowledge FOR EACH ROW WHEN ((old.content IS DISTINCT FROM new.content)) EXECUTE FUNCTION app_private.tg_knowledge__clear_embedding();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.knowledge REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_knowledge__log_rows('{tenant_id,id,agent_id,category,content,source,metadata,embedding,usage_count,relevance_score,created_at,last_used_at,embedding_error}', '{embedding}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.knowledge REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_knowledge__log_rows('{tenant_id,id,agent_id,category,content,source,metadata,embedding,usage_count,relevance_score,created_at,last_used_at,embedding_error}', '{embedding}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.knowledge FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.knowledge REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT WHEN ((CURRENT_USER <> ':SEARCH'::name)) EXECUTE FUNCTION audit.tg_knowledge__log_rows('{tenant_id,id,agent_id,category,content,source,metadata,embedding,usage_count,relevance_score,created_at,last_used_at,embedding_error}', '{embedding}', '{}');

create type app_public.knowledge_match as (
  -- The item's id.
  id character varying(100),
  -- The agent whose knowledge it is.
  agent_id character varying(50),
  -- A word to group by.
  category character varying(50),
  -- The text itself.
  content text,
  -- Where it comes from.
  source text,
  -- Anything else about it.
  metadata jsonb,
  -- How often it was used.
  usage_count integer,
  -- How useful it proved; 1 is neutral.
  relevance_score double precision,
  -- When it was added.
  created_at timestamp with time zone,
  -- When it was last used.
  last_used_at timestamp with time zone,
  -- Reciprocal rank fusion of both parts; 1: first in each. Results are in this order.
  score double precision,
  -- By meaning: cosine similarity, -1 to 1; null: the search by meaning did not find it.
  similarity double precision,
  -- By meaning: its rank, from 1.
  vector_rank integer,
  -- By words: how well and how densely they match; higher is better. Null: the search by words did not find it.
  text_relevance double precision,
  -- By words: its rank, from 1.
  text_rank integer
);

-- @unique id|@fieldName message
-- What was said in a thread. append_messages adds messages; nobody changes one, and they go with their thread.
create table app_public.messages (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The message's id; random if not given.
  id uuid not null default gen_random_uuid(),
  -- The thread that it is in.
  thread_id uuid not null,
  -- Its place in the thread: from 1, without a gap.
  number integer not null,
  -- Who speaks: one of system, developer, user, assistant, tool; null: an imported message that does not say.
  role character varying(20),
  -- Who speaks, where several of a role do: a person, an agent, a tool.
  name character varying(100),
  -- The text; null: it only calls tools.
  content text,
  -- The calls of tools that it asks for: an array of objects, in whatever form the model gives them.
  tool_calls jsonb,
  -- The call of a tool that it answers.
  tool_call_id character varying(200),
  -- How many tokens the model read to make it; null: not known.
  input_tokens integer,
  -- How many tokens it has as the model counts; null: not known.
  output_tokens integer,
  -- Anything else about it: the model, why it ended, parts that are not text.
  metadata jsonb not null default '{}'::jsonb,
  -- The key of the call that added it. That call again with the same key adds nothing.
  idempotency_key character varying(200),
  -- When it was added, or said, where it was imported.
  created_at timestamp with time zone not null default now(),
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint messages_pkey PRIMARY KEY (tenant_id, id),
  -- @behavior -single -update -delete
  -- A number stands once in a thread.
  constraint messages_thread_id_number_key UNIQUE (tenant_id, thread_id, number),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint messages_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  -- @fieldName thread
  -- @foreignFieldName messages
  -- The thread that it is in.
  constraint messages_thread_id_fkey FOREIGN KEY (tenant_id, thread_id) REFERENCES app_public.threads(tenant_id, id) ON DELETE CASCADE,
  constraint messages_content_check CHECK (((content IS NOT NULL) OR (tool_calls IS NOT NULL))),
  constraint messages_input_tokens_check CHECK ((input_tokens >= 0)),
  constraint messages_output_tokens_check CHECK ((output_tokens >= 0)),
  constraint messages_role_check CHECK (((role)::text = ANY ('{system,developer,user,assistant,tool}'::text[])))
);

CREATE INDEX messages_thread_id_idempotency_key_idx ON app_public.messages USING btree (tenant_id, thread_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

create policy delete_jobs on app_public.messages for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_definer on app_public.messages for insert to :OWNER with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_definer on app_public.messages for select to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.messages for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_tenant on app_public.messages for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, select (ctid, tenant_id) on app_public.messages to :JOBS;
grant select on app_public.messages to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _200_long_numbers_metadata BEFORE INSERT OR UPDATE OF metadata ON app_public.messages FOR EACH ROW WHEN (app_private.may_print_long(new.metadata)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('metadata');
CREATE TRIGGER _200_long_numbers_tool_calls BEFORE INSERT OR UPDATE OF tool_calls ON app_public.messages FOR EACH ROW WHEN (app_private.may_print_long(new.tool_calls)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('tool_calls');
CREATE TRIGGER _500_publish_delete AFTER DELETE ON app_public.messages REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_insert AFTER INSERT ON app_public.messages REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.messages REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_messages__log_rows('{tenant_id,id,thread_id,number,role,name,content,tool_calls,tool_call_id,input_tokens,output_tokens,metadata,idempotency_key,created_at}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.messages REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_messages__log_rows('{tenant_id,id,thread_id,number,role,name,content,tool_calls,tool_call_id,input_tokens,output_tokens,metadata,idempotency_key,created_at}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.messages FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.messages REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_messages__log_rows('{tenant_id,id,thread_id,number,role,name,content,tool_calls,tool_call_id,input_tokens,output_tokens,metadata,idempotency_key,created_at}', '{}', '{}');

-- A measurement of a service at a point in time. Partitioned by day; retention removes it.
create table app_public.metrics (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- Tells points of the same instant apart.
  id bigint not null generated by default as identity,
  -- The service that measured.
  service_name character varying(50) not null,
  -- What was measured.
  metric_name character varying(100) not null,
  -- The value, in the metric's own unit.
  value double precision not null,
  -- Dimensions to filter and group by: a flat object.
  tags jsonb not null default '{}'::jsonb,
  -- When it was measured.
  "timestamp" timestamp with time zone not null default now(),
  -- @behavior -single -update -delete
  -- The tenant, the time and the id identify a row.
  constraint metrics_pkey PRIMARY KEY (tenant_id, "timestamp", id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint metrics_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint metrics_tags_check CHECK ((jsonb_typeof(tags) = 'object'::text)),
  constraint metrics_value_check CHECK (((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision)))
) partition by range ("timestamp");

CREATE INDEX metrics_service_name_metric_name_timestamp_idx ON ONLY app_public.metrics USING btree (tenant_id, service_name, metric_name, "timestamp");
CREATE INDEX metrics_timestamp_idx ON ONLY app_public.metrics USING brin ("timestamp");

create policy delete_jobs on app_public.metrics for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_service on app_public.metrics for insert to :ADMIN, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.metrics for select to :JOBS using (true);
create policy select_tenant on app_public.metrics for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, select on app_public.metrics to :JOBS;
grant insert (tenant_id, service_name, metric_name, value, tags, "timestamp"), select on app_public.metrics to :ADMIN, :SERVICE;
grant select on app_public.metrics to :ANALYST, :MEMBER;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id, "timestamp" ON app_public.metrics FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id) OR (old."timestamp" IS DISTINCT FROM new."timestamp"))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF tags ON app_public.metrics FOR EACH ROW WHEN (app_private.may_print_long(new.tags)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('tags');
CREATE TRIGGER _500_mark_changes AFTER INSERT ON app_public.metrics REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg_metrics__mark_changes();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.metrics REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.metrics REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.metrics FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.metrics REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();

-- The points of a series aggregated by day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.
create table app_public.metrics_day (
  -- @behavior -*
  -- The tenant.
  tenant_id text collate "C" not null,
  -- The service that measured.
  service_name character varying(50) not null,
  -- What was measured.
  metric_name character varying(100) not null,
  -- The dimensions of the series.
  tags jsonb not null default '{}'::jsonb,
  -- @behavior -*
  -- Digest of the tags, for the key.
  tags_hash uuid not null generated always as ((md5((tags)::text))::uuid) stored,
  -- When it begins.
  bucket timestamp with time zone not null,
  -- How many points.
  count bigint not null,
  -- Their sum; null: it exceeds a double.
  sum double precision,
  -- The smallest value.
  min double precision not null,
  -- The largest value.
  max double precision not null,
  -- The value that was measured last.
  last double precision not null,
  -- When that was.
  last_at timestamp with time zone not null,
  -- @behavior -*
  -- The buckets of the histogram that have values, in order; see the documentation of metrics.
  sketch_keys integer[] not null,
  -- @behavior -*
  -- How many values each of them has.
  sketch_counts bigint[] not null,
  -- @behavior -single -update -delete
  -- The tenant, the series and the time identify a row.
  constraint metrics_day_pkey PRIMARY KEY (tenant_id, service_name, metric_name, bucket, tags_hash),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint metrics_day_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint metrics_day_bucket_check CHECK ((date_bin('1 day'::interval, bucket, '2001-01-01 00:00:00+00'::timestamp with time zone) = bucket)),
  constraint metrics_day_count_check CHECK ((count > 0)),
  constraint metrics_day_sketch_counts_check CHECK ((cardinality(sketch_counts) = cardinality(sketch_keys)))
);

CREATE INDEX metrics_day_bucket_idx ON app_public.metrics_day USING brin (bucket);

create policy delete_jobs on app_public.metrics_day for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_jobs on app_public.metrics_day for insert to :JOBS with check (true);
create policy select_jobs on app_public.metrics_day for select to :JOBS using (true);
create policy select_tenant on app_public.metrics_day for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.metrics_day for update to :JOBS using (true) with check (true);

grant delete, insert (tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts), select, update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts) on app_public.metrics_day to :JOBS;
grant select on app_public.metrics_day to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.metrics_day REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.metrics_day REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.metrics_day FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.metrics_day REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();

-- The points of a series aggregated by hour: made by the worker, read by `metric_series` and `metric_percentiles`.
create table app_public.metrics_hour (
  -- @behavior -*
  -- The tenant.
  tenant_id text collate "C" not null,
  -- The service that measured.
  service_name character varying(50) not null,
  -- What was measured.
  metric_name character varying(100) not null,
  -- The dimensions of the series.
  tags jsonb not null default '{}'::jsonb,
  -- @behavior -*
  -- Digest of the tags, for the key.
  tags_hash uuid not null generated always as ((md5((tags)::text))::uuid) stored,
  -- When it begins.
  bucket timestamp with time zone not null,
  -- How many points.
  count bigint not null,
  -- Their sum; null: it exceeds a double.
  sum double precision,
  -- The smallest value.
  min double precision not null,
  -- The largest value.
  max double precision not null,
  -- The value that was measured last.
  last double precision not null,
  -- When that was.
  last_at timestamp with time zone not null,
  -- @behavior -*
  -- The buckets of the histogram that have values, in order; see the documentation of metrics.
  sketch_keys integer[] not null,
  -- @behavior -*
  -- How many values each of them has.
  sketch_counts bigint[] not null,
  -- @behavior -single -update -delete
  -- The tenant, the series and the time identify a row.
  constraint metrics_hour_pkey PRIMARY KEY (tenant_id, service_name, metric_name, bucket, tags_hash),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint metrics_hour_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint metrics_hour_bucket_check CHECK ((date_bin('01:00:00'::interval, bucket, '2001-01-01 00:00:00+00'::timestamp with time zone) = bucket)),
  constraint metrics_hour_count_check CHECK ((count > 0)),
  constraint metrics_hour_sketch_counts_check CHECK ((cardinality(sketch_counts) = cardinality(sketch_keys)))
) partition by range (bucket);

CREATE INDEX metrics_hour_bucket_idx ON ONLY app_public.metrics_hour USING brin (bucket);

create policy delete_jobs on app_public.metrics_hour for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_jobs on app_public.metrics_hour for insert to :JOBS with check (true);
create policy select_jobs on app_public.metrics_hour for select to :JOBS using (true);
create policy select_tenant on app_public.metrics_hour for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.metrics_hour for update to :JOBS using (true) with check (true);

grant delete, insert (tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts), select, update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts) on app_public.metrics_hour to :JOBS;
grant select on app_public.metrics_hour to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.metrics_hour REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.metrics_hour REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.metrics_hour FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.metrics_hour REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();

-- The points of a series aggregated by minute: made by the worker, read by `metric_series` and `metric_percentiles`.
create table app_public.metrics_minute (
  -- @behavior -*
  -- The tenant.
  tenant_id text collate "C" not null,
  -- The service that measured.
  service_name character varying(50) not null,
  -- What was measured.
  metric_name character varying(100) not null,
  -- The dimensions of the series.
  tags jsonb not null default '{}'::jsonb,
  -- @behavior -*
  -- Digest of the tags, for the key.
  tags_hash uuid not null generated always as ((md5((tags)::text))::uuid) stored,
  -- When it begins.
  bucket timestamp with time zone not null,
  -- How many points.
  count bigint not null,
  -- Their sum; null: it exceeds a double.
  sum double precision,
  -- The smallest value.
  min double precision not null,
  -- The largest value.
  max double precision not null,
  -- The value that was measured last.
  last double precision not null,
  -- When that was.
  last_at timestamp with time zone not null,
  -- @behavior -*
  -- The buckets of the histogram that have values, in order; see the documentation of metrics.
  sketch_keys integer[] not null,
  -- @behavior -*
  -- How many values each of them has.
  sketch_counts bigint[] not null,
  -- @behavior -single -update -delete
  -- The tenant, the series and the time identify a row.
  constraint metrics_minute_pkey PRIMARY KEY (tenant_id, service_name, metric_name, bucket, tags_hash),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint metrics_minute_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint metrics_minute_bucket_check CHECK ((date_bin('00:01:00'::interval, bucket, '2001-01-01 00:00:00+00'::timestamp with time zone) = bucket)),
  constraint metrics_minute_count_check CHECK ((count > 0)),
  constraint metrics_minute_sketch_counts_check CHECK ((cardinality(sketch_counts) = cardinality(sketch_keys)))
) partition by range (bucket);

CREATE INDEX metrics_minute_bucket_idx ON ONLY app_public.metrics_minute USING brin (bucket);

create policy delete_jobs on app_public.metrics_minute for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_jobs on app_public.metrics_minute for insert to :JOBS with check (true);
create policy select_jobs on app_public.metrics_minute for select to :JOBS using (true);
create policy select_tenant on app_public.metrics_minute for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.metrics_minute for update to :JOBS using (true) with check (true);

grant delete, insert (tenant_id, service_name, metric_name, tags, bucket, count, sum, min, max, last, last_at, sketch_keys, sketch_counts), select, update (count, sum, min, max, last, last_at, sketch_keys, sketch_counts) on app_public.metrics_minute to :JOBS;
grant select on app_public.metrics_minute to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.metrics_minute REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.metrics_minute REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.metrics_minute FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.metrics_minute REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();

-- @unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession
-- A user's login session. The token itself is stored nowhere.
create table app_public.sessions (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The session's id.
  id uuid not null default gen_random_uuid(),
  -- The user whose session it is.
  user_id character varying(100) not null,
  -- SHA-256 of the token, 64 hexadecimal digits. Can be written but never read.
  token character varying(500) not null,
  -- What the service keeps in it.
  data jsonb not null default '{}'::jsonb,
  -- When it ends.
  expires_at timestamp with time zone not null,
  -- When it was opened.
  created_at timestamp with time zone not null default now(),
  -- The role of requests with its token: member, service or admin.
  role character varying(20) not null default 'member'::character varying,
  -- How long each use prolongs it; null: use does not prolong it.
  sliding_ttl interval,
  -- Until when use can prolong it.
  ends_at timestamp with time zone,
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint sessions_pkey PRIMARY KEY (tenant_id, id),
  -- @behavior -*
  -- A token opens one session, whatever the tenant. Nobody can look up a session by a digest that they cannot read.
  constraint sessions_token_key UNIQUE (token),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint sessions_role_check CHECK (((role)::text = ANY ((ARRAY['member'::character varying, 'service'::character varying, 'admin'::character varying])::text[]))),
  constraint sessions_sliding_ttl_check CHECK ((sliding_ttl > '00:00:00'::interval)),
  constraint sessions_token_check CHECK (((token)::text ~ '^[0-9a-f]{64}$'::text)),
  constraint sessions_user_id_check CHECK (((user_id)::text <> ''::text))
);

CREATE INDEX sessions_user_id_idx ON app_public.sessions USING btree (tenant_id, user_id);

create policy delete_jobs on app_public.sessions for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_owner on app_public.sessions for delete to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy delete_tenant on app_public.sessions for delete to :ADMIN, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on app_public.sessions for insert to :ADMIN, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.sessions for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_owner on app_public.sessions for select to :OWNER using (true);
create policy select_tenant on app_public.sessions for select to :ADMIN, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_owner on app_public.sessions for update to :OWNER using (true) with check (true);
create policy update_service on app_public.sessions for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at), select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at) on app_public.sessions to :ADMIN;
grant delete, insert (tenant_id, id, user_id, token, data, expires_at, role, sliding_ttl, ends_at), select (tenant_id, id, user_id, data, expires_at, created_at, role, sliding_ttl, ends_at), update (data, expires_at) on app_public.sessions to :SERVICE;
grant delete, select (ctid, tenant_id, id, expires_at) on app_public.sessions to :JOBS;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.sessions FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF data ON app_public.sessions FOR EACH ROW WHEN (app_private.may_print_long(new.data)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('data');
CREATE TRIGGER _200_role BEFORE INSERT OR UPDATE OF role ON app_public.sessions FOR EACH ROW WHEN (((new.role)::text = 'admin'::text)) EXECUTE FUNCTION app_private.tg_sessions__guard_role();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.sessions REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_sessions__log_rows('{tenant_id,id,user_id,token,data,expires_at,created_at,role,sliding_ttl,ends_at}', '{token}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.sessions REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_sessions__log_rows('{tenant_id,id,user_id,token,data,expires_at,created_at,role,sliding_ttl,ends_at}', '{token}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.sessions FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.sessions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_sessions__log_rows('{tenant_id,id,user_id,token,data,expires_at,created_at,role,sliding_ttl,ends_at}', '{token}', '{}');

-- How each claim of a task ended. Only the functions of tasks write it.
create table app_public.task_attempts (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The task.
  task_id uuid not null,
  -- The number of the attempt, from 1.
  attempt integer not null,
  -- The fencing token of the attempt.
  fencing_token bigint not null,
  -- The agent that claimed it, by the name that it gave.
  agent text not null,
  -- When it was claimed.
  claimed_at timestamp with time zone not null,
  -- When it ended.
  ended_at timestamp with time zone not null,
  -- One of completed, failed, expired, released, cancelled.
  outcome character varying(20) not null,
  -- Why it failed, expired or was cancelled.
  error text,
  -- How far it came, from 0 to 1; null: not reported.
  progress double precision,
  -- The last note of its holder.
  note text,
  -- @behavior -single
  -- The task and the number identify an attempt.
  constraint task_attempts_pkey PRIMARY KEY (tenant_id, task_id, attempt),
  -- @fieldName task
  -- @foreignFieldName attempts
  -- The task of the attempt.
  constraint task_attempts_task_id_fkey FOREIGN KEY (tenant_id, task_id) REFERENCES app_public.tasks(tenant_id, id) ON DELETE CASCADE,
  constraint task_attempts_outcome_check CHECK (((outcome)::text = ANY ((ARRAY['completed'::character varying, 'failed'::character varying, 'expired'::character varying, 'released'::character varying, 'cancelled'::character varying])::text[])))
);

create policy delete_jobs on app_public.task_attempts for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy insert_definer on app_public.task_attempts for insert to :OWNER with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_jobs on app_public.task_attempts for insert to :JOBS with check (true);
create policy select_definer on app_public.task_attempts for select to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.task_attempts for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_tenant on app_public.task_attempts for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, task_id, attempt, fencing_token, agent, claimed_at, ended_at, outcome, error, progress, note), select (ctid, tenant_id, task_id, attempt, ended_at) on app_public.task_attempts to :JOBS;
grant select on app_public.task_attempts to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, task_id, attempt ON app_public.task_attempts FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.task_id IS DISTINCT FROM new.task_id) OR (old.attempt IS DISTINCT FROM new.attempt))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.task_attempts REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.task_attempts REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.task_attempts FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.task_attempts REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_summary();

-- @unique task_id|@fieldName taskLease
-- The agent that works on a task now, and until when. Only the functions of tasks write it.
create table app_public.task_leases (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The task.
  task_id uuid not null,
  -- Grows with every claim; every write of the task needs the current one.
  fencing_token bigint not null,
  -- The number of the attempt, from 1.
  attempt integer not null,
  -- The agent that claimed it, by the name that it gave.
  agent text not null,
  -- How long each heartbeat extends it.
  lease interval not null,
  -- When it was claimed.
  claimed_at timestamp with time zone not null,
  -- When the last heartbeat came.
  heartbeat_at timestamp with time zone not null,
  -- When it ends, and others may claim the task.
  expires_at timestamp with time zone not null,
  -- How far the work is, from 0 to 1; null: not reported.
  progress double precision,
  -- The last note of its holder.
  note text,
  -- @behavior -single
  -- A task has one lease at a time.
  constraint task_leases_pkey PRIMARY KEY (tenant_id, task_id),
  -- @fieldName task
  -- @foreignSingleFieldName lease
  -- The task that is being worked on.
  constraint task_leases_task_id_fkey FOREIGN KEY (tenant_id, task_id) REFERENCES app_public.tasks(tenant_id, id) ON DELETE CASCADE
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);

CREATE INDEX task_leases_expires_at_idx ON app_public.task_leases USING btree (expires_at);

create policy manage_definer on app_public.task_leases for all to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy manage_jobs on app_public.task_leases for all to :JOBS using (true) with check (true);
create policy select_tenant on app_public.task_leases for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, select, update (heartbeat_at) on app_public.task_leases to :JOBS;
grant select on app_public.task_leases to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, task_id ON app_public.task_leases FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.task_id IS DISTINCT FROM new.task_id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.task_leases FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();

-- @unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask
-- A piece of work for an agent.
create table app_public.tasks (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The task's id.
  id uuid not null default gen_random_uuid(),
  -- The agent that should do it; null: any agent, or the agent was removed.
  agent_id character varying(50),
  -- What to do.
  description text not null,
  -- One of pending, assigned, running, completed, failed, cancelled, dead.
  status character varying(20) not null default 'pending'::character varying,
  -- One of low, normal, high, critical.
  priority character varying(20) not null default 'normal'::character varying,
  -- What the agent needs to know.
  context jsonb not null default '{}'::jsonb,
  -- The result; null until it is completed.
  result jsonb,
  -- When the task was made.
  created_at timestamp with time zone not null default now(),
  -- When the latest attempt began.
  started_at timestamp with time zone,
  -- When it ended, with or without success.
  completed_at timestamp with time zone,
  -- Why its latest attempt failed, or why it was cancelled.
  error_message text,
  -- Only an agent with all of them may claim it.
  required_capabilities text[] not null default '{}'::text[],
  -- It is not claimed before this time.
  run_after timestamp with time zone not null default now(),
  -- Its place in the queue: run_after, moved forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Set by a trigger.
  queue_at timestamp with time zone not null default now(),
  -- How often it was claimed: the number of the latest attempt.
  attempt integer not null default 0,
  -- How many attempts failed or expired since it was made or retried.
  failures integer not null default 0,
  -- After this many failures it is dead.
  max_attempts integer not null default 5,
  -- A task that is enqueued again under the same key stays one task. Unique in the tenant.
  idempotency_key character varying(200),
  -- The workflow that made it for a step; null: none did, or the workflow was deleted.
  workflow_id uuid,
  -- The step's key in the workflow.
  step_key character varying(63),
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint tasks_pkey PRIMARY KEY (tenant_id, id),
  -- @fieldName agent
  -- @foreignFieldName tasks
  -- The agent that does the task.
  constraint tasks_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES app_public.agents(tenant_id, id) ON DELETE SET NULL (agent_id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint tasks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  -- @fieldName workflow
  -- @foreignFieldName tasks
  -- The workflow that made it for a step.
  constraint tasks_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app_public.workflows(tenant_id, id) ON DELETE SET NULL (workflow_id),
  constraint tasks_idempotency_key_check CHECK (((idempotency_key)::text <> ''::text)),
  constraint tasks_max_attempts_check CHECK ((max_attempts > 0)),
  constraint tasks_priority_check CHECK (((priority)::text = ANY ('{low,normal,high,critical}'::text[]))),
  constraint tasks_status_check CHECK (((status)::text = ANY ('{pending,assigned,running,completed,failed,cancelled,dead}'::text[])))
) with (autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.01, vacuum_index_cleanup = on);

CREATE INDEX tasks_agent_id_idx ON app_public.tasks USING btree (tenant_id, agent_id);
CREATE UNIQUE INDEX tasks_idempotency_key_idx ON app_public.tasks USING btree (tenant_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX tasks_queue_at_run_after_idx ON app_public.tasks USING btree (tenant_id, queue_at, run_after) WHERE ((status)::text = 'pending'::text);
CREATE INDEX tasks_status_idx ON app_public.tasks USING btree (tenant_id, status);
CREATE INDEX tasks_workflow_id_idx ON app_public.tasks USING btree (tenant_id, workflow_id) WHERE (workflow_id IS NOT NULL);

create policy delete_jobs on app_public.tasks for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_tenant on app_public.tasks for delete to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_definer on app_public.tasks for insert to :OWNER with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_jobs on app_public.tasks for insert to :JOBS with check (true);
create policy insert_tenant on app_public.tasks for insert to :ADMIN, :MEMBER, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_definer on app_public.tasks for select to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.tasks for select to :JOBS using (true);
create policy select_tenant on app_public.tasks for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_definer on app_public.tasks for update to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.tasks for update to :JOBS using (true) with check (true);
create policy update_tenant on app_public.tasks for update to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, agent_id, description, priority, context, required_capabilities, max_attempts, workflow_id, step_key), select, update (status, completed_at, error_message, run_after, failures) on app_public.tasks to :JOBS;
grant delete, insert (tenant_id, id, agent_id, description, status, priority, context, result, created_at, started_at, completed_at, error_message, required_capabilities, run_after, max_attempts, idempotency_key), select, update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message, required_capabilities, run_after, max_attempts) on app_public.tasks to :ADMIN, :SERVICE;
grant delete, insert (tenant_id, id, agent_id, description, status, priority, context, result, started_at, completed_at, error_message, required_capabilities, run_after, max_attempts, idempotency_key), select, update (agent_id, description, status, priority, context, result, started_at, completed_at, error_message, required_capabilities, run_after, max_attempts) on app_public.tasks to :MEMBER;
grant select on app_public.tasks to :ANALYST;

CREATE TRIGGER _100_queue_insert BEFORE INSERT ON app_public.tasks FOR EACH ROW EXECUTE FUNCTION app_private.tg_tasks__place_in_queue();
CREATE TRIGGER _100_queue_update BEFORE UPDATE OF priority, run_after ON app_public.tasks FOR EACH ROW EXECUTE FUNCTION app_private.tg_tasks__place_in_queue();
CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.tasks FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers_context BEFORE INSERT OR UPDATE OF context ON app_public.tasks FOR EACH ROW WHEN (app_private.may_print_long(new.context)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('context');
CREATE TRIGGER _200_long_numbers_result BEFORE INSERT OR UPDATE OF result ON app_public.tasks FOR EACH ROW WHEN (app_private.may_print_long(new.result)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('result');
CREATE TRIGGER _200_states BEFORE UPDATE ON app_public.tasks FOR EACH ROW EXECUTE FUNCTION app_private.tg_tasks__check_update();
CREATE TRIGGER _200_steps BEFORE DELETE ON app_public.tasks FOR EACH ROW WHEN ((old.workflow_id IS NOT NULL)) EXECUTE FUNCTION app_private.tg_tasks__check_delete();
CREATE TRIGGER _500_publish_delete AFTER DELETE ON app_public.tasks REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_insert AFTER INSERT ON app_public.tasks REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_update AFTER UPDATE ON app_public.tasks REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_workflows AFTER UPDATE ON app_public.tasks REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg_tasks__advance_workflows();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.tasks REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tasks__log_rows('{tenant_id,id,agent_id,description,status,priority,context,result,created_at,started_at,completed_at,error_message,required_capabilities,run_after,queue_at,attempt,failures,max_attempts,idempotency_key,workflow_id,step_key}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.tasks REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tasks__log_rows('{tenant_id,id,agent_id,description,status,priority,context,result,created_at,started_at,completed_at,error_message,required_capabilities,run_after,queue_at,attempt,failures,max_attempts,idempotency_key,workflow_id,step_key}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.tasks FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tasks__log_rows('{tenant_id,id,agent_id,description,status,priority,context,result,created_at,started_at,completed_at,error_message,required_capabilities,run_after,queue_at,attempt,failures,max_attempts,idempotency_key,workflow_id,step_key}', '{}', '{}');

-- A tenant: one customer or team, whose data nobody else sees.
create table app_public.tenants (
  -- A short name in lower case, e.g. `default`. Never changes.
  id text collate "C" not null,
  -- The name to show.
  name text not null,
  -- When the tenant was suspended; null: it is not suspended.
  suspended_at timestamp with time zone,
  -- When the tenant was made.
  created_at timestamp with time zone not null default now(),
  -- When the row last changed; set by a trigger.
  updated_at timestamp with time zone not null default now(),
  constraint tenants_pkey PRIMARY KEY (id),
  constraint tenants_id_check CHECK ((id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
  constraint tenants_name_check CHECK ((name <> ''::text))
);

create policy manage_owner on app_public.tenants for all to :OWNER using (true) with check (true);
create policy select_own on app_public.tenants for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant select on app_public.tenants to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _100_timestamps BEFORE UPDATE ON app_public.tenants FOR EACH ROW EXECUTE FUNCTION app_private.tg__touch_updated_at();
CREATE TRIGGER _200_keys BEFORE UPDATE OF id ON app_public.tenants FOR EACH ROW WHEN ((old.id IS DISTINCT FROM new.id)) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _500_notify AFTER UPDATE OF suspended_at ON app_public.tenants FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg_tenants__notify();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.tenants REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenants__log_rows('{id,name,suspended_at,created_at,updated_at}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.tenants REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenants__log_rows('{id,name,suspended_at,created_at,updated_at}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.tenants FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.tenants REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_tenants__log_rows('{id,name,suspended_at,created_at,updated_at}', '{}', '{}');

-- @unique id|@fieldName thread|@updateFieldName updateThread|@deleteFieldName deleteThread
-- A conversation: messages in order. Deleting it deletes its messages.
create table app_public.threads (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The thread's id; random if not given.
  id uuid not null default gen_random_uuid(),
  -- The title to show.
  title character varying(200),
  -- The agent whose conversation it is; null: none's, or the agent was removed.
  agent_id character varying(50),
  -- The task that it is about; null: none, or the task was deleted.
  task_id uuid,
  -- Anything else about it.
  metadata jsonb not null default '{}'::jsonb,
  -- The number of its last message, and so how many it has: 0 at first. append_messages counts.
  version integer not null default 0,
  -- When its last message came; before the first one, when the thread was made. append_messages sets it.
  last_message_at timestamp with time zone not null default now(),
  -- When the thread was made.
  created_at timestamp with time zone not null default now(),
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint threads_pkey PRIMARY KEY (tenant_id, id),
  -- @fieldName agent
  -- @foreignFieldName threads
  -- The agent whose conversation it is.
  constraint threads_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES app_public.agents(tenant_id, id) ON DELETE SET NULL (agent_id),
  -- @fieldName task
  -- @foreignFieldName threads
  -- The task that it is about.
  constraint threads_task_id_fkey FOREIGN KEY (tenant_id, task_id) REFERENCES app_public.tasks(tenant_id, id) ON DELETE SET NULL (task_id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint threads_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT
);

CREATE INDEX threads_agent_id_last_message_at_idx ON app_public.threads USING btree (tenant_id, agent_id, last_message_at) WHERE (agent_id IS NOT NULL);
CREATE INDEX threads_last_message_at_idx ON app_public.threads USING btree (tenant_id, last_message_at);
CREATE INDEX threads_task_id_last_message_at_idx ON app_public.threads USING btree (tenant_id, task_id, last_message_at) WHERE (task_id IS NOT NULL);

create policy delete_jobs on app_public.threads for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_tenant on app_public.threads for delete to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_tenant on app_public.threads for insert to :ADMIN, :MEMBER, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_definer on app_public.threads for select to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.threads for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_tenant on app_public.threads for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_definer on app_public.threads for update to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_tenant on app_public.threads for update to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, title, agent_id, task_id, metadata), select, update (title, agent_id, task_id, metadata) on app_public.threads to :MEMBER;
grant delete, insert (tenant_id, id, title, agent_id, task_id, metadata, created_at), select, update (title, agent_id, task_id, metadata) on app_public.threads to :ADMIN, :SERVICE;
grant delete, select (ctid, tenant_id, id, version, last_message_at) on app_public.threads to :JOBS;
grant select on app_public.threads to :ANALYST;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.threads FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF metadata ON app_public.threads FOR EACH ROW WHEN (app_private.may_print_long(new.metadata)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('metadata');
CREATE TRIGGER _500_publish_delete AFTER DELETE ON app_public.threads REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_insert AFTER INSERT ON app_public.threads REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_update AFTER UPDATE ON app_public.threads REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.threads REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_threads__log_rows('{tenant_id,id,title,agent_id,task_id,metadata,version,last_message_at,created_at}', '{}', '{version,last_message_at}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.threads REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_threads__log_rows('{tenant_id,id,title,agent_id,task_id,metadata,version,last_message_at,created_at}', '{}', '{version,last_message_at}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.threads FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.threads REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_threads__log_rows('{tenant_id,id,title,agent_id,task_id,metadata,version,last_message_at,created_at}', '{}', '{version,last_message_at}');

-- @primaryKey id|@fieldName userSession
-- The sessions of the tenant's users, without tokens and data.
create view app_public.user_sessions (
  -- @behavior -*
  -- The tenant.
  tenant_id text collate "C",
  -- The session's id.
  id uuid,
  -- The user whose session it is.
  user_id character varying(100),
  -- When it ends.
  expires_at timestamp with time zone,
  -- When it was opened.
  created_at timestamp with time zone,
  -- The role of requests with its token.
  role character varying(20)
) as ...;

grant select on app_public.user_sessions to :ADMIN, :ANALYST, :SERVICE;

create type app_public.workflow_overview as (
  -- The workflow's id.
  workflow_id uuid,
  -- One of draft, pending, running, paused, completed, failed, cancelled.
  status character varying(20),
  -- From 0 to 1: the mean of its steps.
  progress double precision,
  -- How many steps it has.
  total integer,
  -- How many have not begun.
  pending integer,
  -- How many have a task that waits or is being worked on.
  running integer,
  -- How many are completed.
  completed integer,
  -- How many failed.
  failed integer,
  -- How many were skipped.
  skipped integer,
  -- How many were cancelled.
  cancelled integer,
  -- Why it failed or was cancelled.
  error_message text,
  -- When it was started.
  started_at timestamp with time zone,
  -- When it ended.
  completed_at timestamp with time zone,
  -- Each step: key, status, progress, task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at.
  steps jsonb
);

-- @unique workflow_id,key|@fieldName workflowStep
-- The state of a started workflow's steps. Only the functions of workflows write it.
create table app_public.workflow_steps (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The workflow.
  workflow_id uuid not null,
  -- The step's key in its workflow.
  key character varying(63) not null,
  -- Its place in the workflow's steps, from 1.
  "position" integer not null,
  -- Keys of the steps that come before it.
  depends_on text[] not null,
  -- What follows when it fails. fail: the workflow fails; skip: the steps that depend on it are skipped; continue: they run.
  on_failure character varying(20) not null,
  -- The step as the workflow had it when it was started or tried again.
  definition jsonb not null,
  -- One of pending, running (its task waits or is being worked on), completed, failed, skipped, cancelled.
  status character varying(20) not null default 'pending'::character varying,
  -- Its latest task; null: it has had none yet, or the task was deleted.
  task_id uuid,
  -- The result of its task.
  result jsonb,
  -- Why it failed, or because of which failure it was skipped. Null for a step that was skipped because its condition did not hold, or because all of its dependencies were skipped.
  error_message text,
  -- When its task was made.
  started_at timestamp with time zone,
  -- When it ended or was skipped.
  completed_at timestamp with time zone,
  -- When it fails unless it has ended; null: never.
  timeout_at timestamp with time zone,
  -- @behavior -single
  -- The workflow and the key identify a step.
  constraint workflow_steps_pkey PRIMARY KEY (tenant_id, workflow_id, key),
  -- @fieldName task
  -- @foreignFieldName stepStates
  -- The step's latest task.
  constraint workflow_steps_task_id_fkey FOREIGN KEY (tenant_id, task_id) REFERENCES app_public.tasks(tenant_id, id) ON DELETE SET NULL (task_id),
  -- @fieldName workflow
  -- @foreignFieldName stepStates
  -- The workflow.
  constraint workflow_steps_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app_public.workflows(tenant_id, id) ON DELETE CASCADE,
  constraint workflow_steps_on_failure_check CHECK (((on_failure)::text = ANY ((ARRAY['fail'::character varying, 'skip'::character varying, 'continue'::character varying])::text[]))),
  constraint workflow_steps_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'running'::character varying, 'completed'::character varying, 'failed'::character varying, 'skipped'::character varying, 'cancelled'::character varying])::text[])))
);

CREATE INDEX workflow_steps_task_id_idx ON app_public.workflow_steps USING btree (tenant_id, task_id);
CREATE INDEX workflow_steps_timeout_at_idx ON app_public.workflow_steps USING btree (timeout_at) WHERE ((status)::text = 'running'::text);

create policy delete_jobs on app_public.workflow_steps for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy manage_definer on app_public.workflow_steps for all to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.workflow_steps for select to :JOBS using (true);
create policy select_tenant on app_public.workflow_steps for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.workflow_steps for update to :JOBS using (true) with check (true);

grant delete, select, update (status, task_id, result, error_message, started_at, completed_at, timeout_at) on app_public.workflow_steps to :JOBS;
grant select on app_public.workflow_steps to :ADMIN, :ANALYST, :MEMBER, :SERVICE;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, workflow_id, key ON app_public.workflow_steps FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.workflow_id IS DISTINCT FROM new.workflow_id) OR ((old.key)::text IS DISTINCT FROM (new.key)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.workflow_steps REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_steps__log_rows('{tenant_id,workflow_id,key,position,depends_on,on_failure,definition,status,task_id,result,error_message,started_at,completed_at,timeout_at}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.workflow_steps REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_steps__log_rows('{tenant_id,workflow_id,key,position,depends_on,on_failure,definition,status,task_id,result,error_message,started_at,completed_at,timeout_at}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.workflow_steps FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.workflow_steps REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_steps__log_rows('{tenant_id,workflow_id,key,position,depends_on,on_failure,definition,status,task_id,result,error_message,started_at,completed_at,timeout_at}', '{}', '{}');

-- @unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow
-- Several steps of work that belong together.
create table app_public.workflows (
  -- @behavior -*
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The workflow's id.
  id uuid not null default gen_random_uuid(),
  -- The name to show.
  name character varying(100) not null,
  -- What it is for.
  description text,
  -- The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.
  steps jsonb not null default '[]'::jsonb,
  -- One of draft, pending, running, paused, completed, failed, cancelled.
  status character varying(20) not null default 'draft'::character varying,
  -- Who made it.
  created_by character varying(50),
  -- Who looks after it.
  assigned_to character varying(50),
  -- What all steps need to know.
  context jsonb not null default '{}'::jsonb,
  -- When the workflow was made.
  created_at timestamp with time zone not null default now(),
  -- When the row last changed; set by a trigger.
  updated_at timestamp with time zone not null default now(),
  -- When start_workflow started it; null: not yet, or another program keeps its status.
  started_at timestamp with time zone,
  -- When it was paused; null: it is not paused.
  paused_at timestamp with time zone,
  -- When it ended, with or without success.
  completed_at timestamp with time zone,
  -- Why it failed or was cancelled.
  error_message text,
  -- @behavior -single -update -delete
  -- The tenant and the id identify a row.
  constraint workflows_pkey PRIMARY KEY (tenant_id, id),
  -- @behavior -*
  -- A row belongs to a tenant.
  constraint workflows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT,
  constraint workflows_status_check CHECK (((status)::text = ANY ((ARRAY['draft'::character varying, 'pending'::character varying, 'running'::character varying, 'paused'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[]))),
  constraint workflows_steps_check CHECK ((jsonb_typeof(steps) = 'array'::text))
);

create policy delete_jobs on app_public.workflows for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_tenant on app_public.workflows for delete to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_tenant on app_public.workflows for insert to :ADMIN, :MEMBER, :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_definer on app_public.workflows for select to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on app_public.workflows for select to :JOBS using (true);
create policy select_tenant on app_public.workflows for select to :ADMIN, :ANALYST, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_definer on app_public.workflows for update to :OWNER using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_jobs on app_public.workflows for update to :JOBS using (true) with check (true);
create policy update_tenant on app_public.workflows for update to :ADMIN, :MEMBER, :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context), select, update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to :MEMBER;
grant delete, insert (tenant_id, id, name, description, steps, status, created_by, assigned_to, context, created_at), select, update (name, description, steps, status, created_by, assigned_to, context) on app_public.workflows to :ADMIN, :SERVICE;
grant delete, select, update (status, completed_at, error_message) on app_public.workflows to :JOBS;
grant select on app_public.workflows to :ANALYST;

CREATE TRIGGER _100_timestamps BEFORE UPDATE ON app_public.workflows FOR EACH ROW EXECUTE FUNCTION app_private.tg__touch_updated_at();
CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON app_public.workflows FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.id IS DISTINCT FROM new.id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers_context BEFORE INSERT OR UPDATE OF context ON app_public.workflows FOR EACH ROW WHEN (app_private.may_print_long(new.context)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('context');
CREATE TRIGGER _200_long_numbers_steps BEFORE INSERT OR UPDATE OF steps ON app_public.workflows FOR EACH ROW WHEN (app_private.may_print_long(new.steps)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('steps');
CREATE TRIGGER _200_started BEFORE DELETE ON app_public.workflows FOR EACH ROW WHEN (((old.started_at IS NOT NULL) AND ((old.status)::text = ANY ((ARRAY['running'::character varying, 'paused'::character varying])::text[])) AND (NOT app_private.is_being_deleted(old.tenant_id)))) EXECUTE FUNCTION app_private.tg_workflows__check_delete();
CREATE TRIGGER _200_states BEFORE UPDATE ON app_public.workflows FOR EACH ROW EXECUTE FUNCTION app_private.tg_workflows__check_update();
CREATE TRIGGER _200_steps BEFORE INSERT OR UPDATE OF steps ON app_public.workflows FOR EACH ROW EXECUTE FUNCTION app_private.tg_workflows__check_steps();
CREATE TRIGGER _500_publish_delete AFTER DELETE ON app_public.workflows REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_insert AFTER INSERT ON app_public.workflows REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _500_publish_update AFTER UPDATE ON app_public.workflows REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION app_private.tg__publish();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON app_public.workflows REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflows__log_rows('{tenant_id,id,name,description,steps,status,created_by,assigned_to,context,created_at,updated_at,started_at,paused_at,completed_at,error_message}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON app_public.workflows REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflows__log_rows('{tenant_id,id,name,description,steps,status,created_by,assigned_to,context,created_at,updated_at,started_at,paused_at,completed_at,error_message}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON app_public.workflows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON app_public.workflows REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflows__log_rows('{tenant_id,id,name,description,steps,status,created_by,assigned_to,context,created_at,updated_at,started_at,paused_at,completed_at,error_message}', '{}', '{}');

-- One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.
create table audit.log (
  -- Orders the rows of the same moment.
  id bigint not null generated always as identity,
  -- When the transaction began.
  at timestamp with time zone not null default now(),
  -- The transaction that made the change.
  transaction_id xid8 not null default pg_current_xact_id(),
  -- Whose data it was: the row's tenant_id. Null for a truncate, which hits all, and for what belongs to the installation.
  tenant_id text collate "C",
  -- The table, with its schema, under its name of that time; the partition if the statement named one; of DDL, the object.
  table_name text not null,
  -- insert, update, delete or truncate; present: the row was there when tracking began; read: somebody read the log; otherwise what was done to the schema or a login.
  operation text not null,
  -- 1 for a row of detail, the number of rows for a summary.
  row_count integer not null,
  -- The row's primary key; null in a summary.
  key jsonb,
  -- The values before: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.
  old_values jsonb,
  -- The values after: the whole row of an insert (or present), the changed columns of an update. Secrets and embeddings as sha256:<hex>.
  new_values jsonb,
  -- The verified token's subject; null for a direct login.
  subject text,
  -- The login of the connection.
  login name not null default SESSION_USER,
  -- The role that the statement ran under.
  role name not null,
  -- The API request, as in its X-Request-Id header.
  request_id text,
  constraint log_pkey PRIMARY KEY (at, id)
) partition by range (at);

CREATE INDEX log_key_idx ON ONLY audit.log USING btree (jsonb_hash_extended(key, (0)::bigint));
CREATE INDEX log_table_name_subject_request_id_idx ON ONLY audit.log USING brin (table_name text_bloom_ops, subject text_bloom_ops, request_id text_bloom_ops) WITH (pages_per_range='32', autosummarize='on');
CREATE INDEX log_tenant_id_at_id_idx ON ONLY audit.log USING btree (tenant_id, at, id);
CREATE INDEX log_transaction_id_id_idx ON ONLY audit.log USING btree (transaction_id, id);

create policy insert_owner on audit.log for insert to :OWNER with check (true);
create policy insert_recorder on audit.log for insert to :RECORDER with check (((tenant_id IS NULL) AND (key IS NULL) AND (operation <> ALL (ARRAY['insert'::text, 'update'::text, 'delete'::text, 'truncate'::text, 'read'::text]))));
create policy select_owner on audit.log for select to :OWNER using (true);

grant insert (table_name, operation, row_count, new_values, role) on audit.log to :RECORDER;

CREATE TRIGGER _200_deleted_tenant BEFORE INSERT ON audit.log FOR EACH ROW WHEN (((new.operation = 'delete'::text) AND (new.tenant_id = current_setting('app.retention_tenant_id'::text, true)))) EXECUTE FUNCTION audit.tg_log__leave_out_values();

-- What a link of audit.seals says about the rows of one month. The lists of rows serve to name the row when a digest does not match.
create table audit.seal_parts (
  -- The link.
  number bigint not null,
  -- The month (UTC) in which the rows have their `at`: a partition of the log.
  month timestamp with time zone not null,
  -- How many rows of the stretch are of this month.
  row_count bigint not null,
  -- SHA-256 over the ids and the SHA-256 of the rows, in the order of the log.
  digest bytea not null,
  -- The ids of the rows, in the order of the log; null once the partition was removed.
  ids bigint[],
  -- The first 16 bytes of the SHA-256 of each row, in the same order; null once the partition was removed.
  leaves bytea,
  constraint seal_parts_pkey PRIMARY KEY (number, month)
);

CREATE INDEX seal_parts_month_idx ON audit.seal_parts USING btree (month);

create policy insert_owner on audit.seal_parts for insert to :OWNER with check (true);
create policy select_owner on audit.seal_parts for select to :OWNER using (true);
create policy update_owner on audit.seal_parts for update to :OWNER using (true) with check (true);

CREATE TRIGGER _200_refuse_change BEFORE DELETE OR UPDATE ON audit.seal_parts FOR EACH ROW EXECUTE FUNCTION audit.tg__refuse_seal_change();
CREATE TRIGGER _200_refuse_truncate BEFORE TRUNCATE ON audit.seal_parts FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__refuse_seal_change();

-- How far the sealing of the audit log has come: one row, whose lock the sealer holds.
create table audit.sealing (
  -- Always true.
  only_row boolean not null default true,
  -- The first transaction that had not begun to write when the sealer last noted the time.
  seen_xmax xid8 not null default '0'::xid8,
  -- When that was.
  seen_at timestamp with time zone not null default now(),
  -- Everything that was written before this moment is sealed.
  sealed_through timestamp with time zone not null default now(),
  constraint sealing_pkey PRIMARY KEY (only_row),
  constraint sealing_only_row_check CHECK (only_row)
);

create policy manage_owner on audit.sealing for all to :OWNER using (true) with check (true);

-- The chain that seals the audit log: each link holds the digest of a stretch of rows and the hash of the link before it.
create table audit.seals (
  -- Counts from 1, without gaps.
  number bigint not null,
  -- rows: it seals rows. removal: it records that retention removed a partition.
  kind text not null,
  -- The rows of the stretch have greater ids. It grows when transactions are counted anew: a dump was restored into another server.
  id_floor bigint not null,
  -- The stretch begins after the row with this transaction and from_id.
  from_transaction_id xid8 not null,
  -- See from_transaction_id.
  from_id bigint not null,
  -- The stretch ends with the row with this transaction and to_id.
  to_transaction_id xid8 not null,
  -- See to_transaction_id.
  to_id bigint not null,
  -- The greatest id of the stretch.
  max_id bigint not null,
  -- How many rows were sealed, or removed with the partition.
  row_count bigint not null,
  -- How many rows all links up to this one have sealed.
  total_rows bigint not null,
  -- SHA-256 over the months, row counts and digests of its parts; of a removal, over the digests of all parts of the month.
  digest bytea not null,
  -- The month (UTC) whose partition was removed.
  removed_month timestamp with time zone,
  -- The name that the partition had.
  removed_partition text,
  -- When it was made.
  sealed_at timestamp with time zone not null,
  -- The release that made it.
  version text not null,
  -- The hash of the link before it; 32 zero bytes for the first.
  previous bytea not null,
  -- SHA-256 over all other columns (audit.seal_hash).
  hash bytea not null,
  constraint seals_pkey PRIMARY KEY (number),
  constraint seals_kind_check CHECK ((kind = ANY (ARRAY['rows'::text, 'removal'::text])))
);

CREATE INDEX seals_id_floor_idx ON audit.seals USING btree (id_floor);

create policy insert_owner on audit.seals for insert to :OWNER with check (true);
create policy select_operator on audit.seals for select to :OPERATOR using (true);
create policy select_owner on audit.seals for select to :OWNER using (true);

grant select on audit.seals to :OPERATOR;

CREATE TRIGGER _200_refuse_change BEFORE DELETE OR UPDATE ON audit.seals FOR EACH ROW EXECUTE FUNCTION audit.tg__refuse_seal_change();
CREATE TRIGGER _200_refuse_truncate BEFORE TRUNCATE ON audit.seals FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__refuse_seal_change();

-- What the legacy system keeps of an agent and app_public.agents does not: one row beside it.
create table legacy.agent_fields (
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The agent.
  agent_id character varying(50) not null,
  -- Its state in the words of the legacy system; it counts while the agent has the state that it stands for.
  status character varying(20),
  -- What it can, as the legacy system lists it.
  capabilities jsonb,
  -- Ciphertext, which nobody here can read.
  config_encrypted text,
  -- Ciphertext, which nobody here can read.
  capabilities_encrypted text,
  constraint agent_fields_pkey PRIMARY KEY (tenant_id, agent_id),
  constraint agent_fields_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES app_public.agents(tenant_id, id) ON DELETE CASCADE
);

create policy delete_jobs on legacy.agent_fields for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_service on legacy.agent_fields for delete to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on legacy.agent_fields for insert to :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on legacy.agent_fields for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_service on legacy.agent_fields for select to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_service on legacy.agent_fields for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, agent_id, status, capabilities, config_encrypted, capabilities_encrypted), select, update (status, capabilities, config_encrypted, capabilities_encrypted) on legacy.agent_fields to :SERVICE;
grant delete, select (ctid, tenant_id) on legacy.agent_fields to :JOBS;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, agent_id ON legacy.agent_fields FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR ((old.agent_id)::text IS DISTINCT FROM (new.agent_id)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF capabilities ON legacy.agent_fields FOR EACH ROW WHEN (app_private.may_print_long(new.capabilities)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('capabilities');
CREATE TRIGGER _800_audit_delete AFTER DELETE ON legacy.agent_fields REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agent_fields__log_rows('{tenant_id,agent_id,status,capabilities,config_encrypted,capabilities_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON legacy.agent_fields REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agent_fields__log_rows('{tenant_id,agent_id,status,capabilities,config_encrypted,capabilities_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON legacy.agent_fields FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON legacy.agent_fields REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_agent_fields__log_rows('{tenant_id,agent_id,status,capabilities,config_encrypted,capabilities_encrypted}', '{}', '{}');

-- Agents as the legacy system's models have them.
create view legacy.agents (
  -- The agent's id.
  id character varying(50),
  -- The name to show.
  name character varying(100),
  -- The language model.
  model character varying(50),
  -- What it is good at, in a word or two.
  specialization character varying(50),
  -- Its state: idle, busy, training, paused, error or offline.
  status character varying,
  -- Everything else about it.
  config jsonb,
  -- What it can.
  capabilities jsonb,
  -- When it was made.
  created_at timestamp with time zone,
  -- When the row last changed. What is written is ignored: the database sets it.
  updated_at timestamp with time zone,
  -- Ciphertext, which nobody here can read.
  config_encrypted text,
  -- Ciphertext, which nobody here can read.
  capabilities_encrypted text
) as ...;

grant delete, insert (id, name, model, specialization, status, config, capabilities, created_at, updated_at, config_encrypted, capabilities_encrypted), select, update (name, model, specialization, status, config, capabilities, updated_at, config_encrypted, capabilities_encrypted) on legacy.agents to :SERVICE;

CREATE TRIGGER _500_write INSTEAD OF INSERT OR DELETE OR UPDATE ON legacy.agents FOR EACH ROW EXECUTE FUNCTION legacy.tg_agents__write();

-- Conversations as the legacy system's models have them, a row for a question and its answer.
create view legacy.conversations (
  -- The id of the turn.
  id character varying(36) default (gen_random_uuid())::text,
  -- The task, by whatever id the services knew it.
  task_id character varying(255),
  -- The agent that answered.
  agent_id character varying(50),
  -- The question.
  user_query text,
  -- The answer.
  agent_response text,
  -- What the agent was given beside the question.
  context jsonb,
  -- What it was told of the knowledge that it used.
  knowledge_metadata jsonb,
  -- Whether it succeeded.
  success boolean,
  -- How many items of knowledge it used.
  knowledge_used integer,
  -- Whether reinforcement learning had a part in it.
  rl_enhanced boolean,
  -- When it was said.
  created_at timestamp with time zone,
  -- Ciphertext, which nobody here can read.
  user_query_encrypted text,
  -- Ciphertext, which nobody here can read.
  agent_response_encrypted text
) as ...;

grant delete, insert (id, task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success, knowledge_used, rl_enhanced, created_at, user_query_encrypted, agent_response_encrypted), select, update (task_id, agent_id, user_query, agent_response, context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted, agent_response_encrypted) on legacy.conversations to :SERVICE;

CREATE TRIGGER _500_write INSTEAD OF INSERT OR DELETE OR UPDATE ON legacy.conversations FOR EACH ROW EXECUTE FUNCTION legacy.tg_conversations__write();

-- Knowledge as the legacy system's models have it.
create view legacy.knowledge (
  -- The id of the item.
  id character varying(100),
  -- The agent whose knowledge it is.
  agent_id character varying(50),
  -- A word to group by.
  category character varying(50),
  -- The text itself.
  content text,
  -- Where it comes from.
  source text,
  -- Anything else about it.
  metadata jsonb,
  -- How often it was used.
  usage_count integer,
  -- How useful it proved; 1 is neutral.
  relevance_score double precision,
  -- When it was added.
  created_at timestamp with time zone,
  -- When it was last used.
  last_used_at timestamp with time zone
) as ...;

grant delete, insert (id, agent_id, category, content, source, metadata, usage_count, relevance_score, created_at, last_used_at), select, update (agent_id, category, content, source, metadata, usage_count, relevance_score, last_used_at) on legacy.knowledge to :SERVICE;

-- Points as the legacy system's models have them.
create view legacy.metrics (
  -- Tells points of the same instant apart. The database sets it.
  id bigint,
  -- The service that measured.
  service_name character varying(50),
  -- What was measured.
  metric_name character varying(100),
  -- The value, in the metric's own unit.
  value double precision,
  -- Dimensions to filter and group by: a flat object.
  tags jsonb,
  -- When it was measured.
  "timestamp" timestamp with time zone
) as ...;

grant insert (service_name, metric_name, value, tags, "timestamp"), select on legacy.metrics to :SERVICE;

-- Sessions as the legacy system's models have them.
create view legacy.sessions (
  -- The session's id.
  id character varying default (gen_random_uuid())::text,
  -- The user whose session it is.
  user_id character varying(100),
  -- To write: the token. To compare: equal to the token. To read: the session's id.
  token legacy.token,
  -- What the service keeps in it.
  data jsonb,
  -- When it ends: UTC, without a zone.
  expires_at timestamp without time zone,
  -- When it was opened: UTC, without a zone.
  created_at timestamp without time zone
) as ...;

grant delete, insert (id, user_id, token, data, expires_at, created_at), select, update (user_id, token, data, expires_at) on legacy.sessions to :SERVICE;

CREATE TRIGGER _500_write INSTEAD OF INSERT OR DELETE OR UPDATE ON legacy.sessions FOR EACH ROW EXECUTE FUNCTION legacy.tg_sessions__write();

-- What the legacy system keeps of a task and app_public.tasks does not: one row beside it.
create table legacy.task_fields (
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The task.
  task_id uuid not null,
  -- The id that the legacy system gave it, where that is not a UUID.
  id character varying(255),
  -- Its state in the words of the legacy system; it counts while the task has the state that it stands for.
  status character varying(20),
  constraint task_fields_pkey PRIMARY KEY (tenant_id, task_id),
  constraint task_fields_task_id_fkey FOREIGN KEY (tenant_id, task_id) REFERENCES app_public.tasks(tenant_id, id) ON DELETE CASCADE
);

create policy delete_jobs on legacy.task_fields for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_service on legacy.task_fields for delete to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on legacy.task_fields for insert to :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on legacy.task_fields for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_service on legacy.task_fields for select to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_service on legacy.task_fields for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, task_id, id, status), select, update (status) on legacy.task_fields to :SERVICE;
grant delete, select (ctid, tenant_id) on legacy.task_fields to :JOBS;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, task_id ON legacy.task_fields FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.task_id IS DISTINCT FROM new.task_id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON legacy.task_fields REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_task_fields__log_rows('{tenant_id,task_id,id,status}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON legacy.task_fields REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_task_fields__log_rows('{tenant_id,task_id,id,status}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON legacy.task_fields FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON legacy.task_fields REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_task_fields__log_rows('{tenant_id,task_id,id,status}', '{}', '{}');

-- Tasks as the legacy system's models have them.
create view legacy.tasks (
  -- The task's id; a text, which is the one that it was made with.
  id character varying default (gen_random_uuid())::text,
  -- The agent that should do it.
  agent_id character varying(50),
  -- What to do.
  description text,
  -- Its state: pending, assigned, started, in_progress, running, completed, failed, cancelled or dead.
  status character varying,
  -- One of low, normal, high, critical.
  priority character varying(20) default 'normal'::character varying,
  -- What the agent needs to know.
  context jsonb,
  -- The result; null until it is completed.
  result jsonb,
  -- Why it failed.
  error_message text,
  -- When it was made.
  created_at timestamp with time zone,
  -- When it was begun.
  started_at timestamp with time zone,
  -- When it ended.
  completed_at timestamp with time zone
) as ...;

grant delete, insert (id, agent_id, description, status, priority, context, result, error_message, created_at, started_at, completed_at), select, update (agent_id, description, status, priority, context, result, error_message, started_at, completed_at) on legacy.tasks to :SERVICE;

CREATE TRIGGER _500_write INSTEAD OF INSERT OR DELETE OR UPDATE ON legacy.tasks FOR EACH ROW EXECUTE FUNCTION legacy.tg_tasks__write();

-- A question and its answer as one row, as the legacy system keeps conversations. The texts are two messages of a thread.
create table legacy.turns (
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The id of the turn.
  id character varying(36) not null default (gen_random_uuid())::text,
  -- The thread that holds both texts.
  thread_id uuid not null,
  -- The number of the question; the answer is the next message.
  number integer not null,
  -- The task, by whatever id the legacy system knew it.
  task_id character varying(255),
  -- What the agent was given beside the question.
  context jsonb,
  -- What it was told of the knowledge that it used.
  knowledge_metadata jsonb,
  -- Whether it succeeded.
  success boolean,
  -- How many items of knowledge it used.
  knowledge_used integer,
  -- Whether reinforcement learning had a part in it.
  rl_enhanced boolean,
  -- Ciphertext, which nobody here can read.
  user_query_encrypted text,
  -- Ciphertext, which nobody here can read.
  agent_response_encrypted text,
  constraint turns_pkey PRIMARY KEY (tenant_id, id),
  constraint turns_thread_id_fkey FOREIGN KEY (tenant_id, thread_id) REFERENCES app_public.threads(tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX turns_task_id_idx ON legacy.turns USING btree (tenant_id, task_id) WHERE (number = 1);
CREATE INDEX turns_thread_id_number_idx ON legacy.turns USING btree (tenant_id, thread_id, number);

create policy delete_jobs on legacy.turns for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_service on legacy.turns for delete to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on legacy.turns for insert to :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on legacy.turns for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_service on legacy.turns for select to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_service on legacy.turns for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, thread_id, number, task_id, context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted, agent_response_encrypted), select, update (context, knowledge_metadata, success, knowledge_used, rl_enhanced, user_query_encrypted, agent_response_encrypted) on legacy.turns to :SERVICE;
grant delete, select (ctid, tenant_id) on legacy.turns to :JOBS;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON legacy.turns FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR ((old.id)::text IS DISTINCT FROM (new.id)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers_context BEFORE INSERT OR UPDATE OF context ON legacy.turns FOR EACH ROW WHEN (app_private.may_print_long(new.context)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('context');
CREATE TRIGGER _200_long_numbers_knowledge_metadata BEFORE INSERT OR UPDATE OF knowledge_metadata ON legacy.turns FOR EACH ROW WHEN (app_private.may_print_long(new.knowledge_metadata)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('knowledge_metadata');
CREATE TRIGGER _800_audit_delete AFTER DELETE ON legacy.turns REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_turns__log_rows('{tenant_id,id,thread_id,number,task_id,context,knowledge_metadata,success,knowledge_used,rl_enhanced,user_query_encrypted,agent_response_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON legacy.turns REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_turns__log_rows('{tenant_id,id,thread_id,number,task_id,context,knowledge_metadata,success,knowledge_used,rl_enhanced,user_query_encrypted,agent_response_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON legacy.turns FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON legacy.turns REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_turns__log_rows('{tenant_id,id,thread_id,number,task_id,context,knowledge_metadata,success,knowledge_used,rl_enhanced,user_query_encrypted,agent_response_encrypted}', '{}', '{}');

-- Users as the legacy system keeps them. They are nothing to this database: nobody signs in with them here.
create table legacy.users (
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The id of the user.
  id character varying(36) not null default (gen_random_uuid())::text,
  -- The name to sign in with.
  username character varying(255) not null,
  -- The address.
  email character varying(255),
  -- A digest that the services made.
  password_hash text,
  -- A word of the services.
  role character varying(50),
  -- Whether the services let the user in.
  is_active boolean default true,
  -- When the user was made.
  created_at timestamp with time zone not null default now(),
  -- When the row last changed; set by a trigger.
  updated_at timestamp with time zone not null default now(),
  -- Ciphertext, which nobody here can read.
  email_encrypted text,
  -- Ciphertext, which nobody here can read.
  password_hash_encrypted text,
  constraint users_pkey PRIMARY KEY (tenant_id, id),
  constraint users_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE RESTRICT
);

CREATE UNIQUE INDEX users_email_idx ON legacy.users USING btree (tenant_id, email);
CREATE UNIQUE INDEX users_username_idx ON legacy.users USING btree (tenant_id, username);

create policy delete_jobs on legacy.users for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_service on legacy.users for delete to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on legacy.users for insert to :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on legacy.users for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_service on legacy.users for select to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_service on legacy.users for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, id, username, email, password_hash, role, is_active, created_at, updated_at, email_encrypted, password_hash_encrypted), select, update (username, email, password_hash, role, is_active, updated_at, email_encrypted, password_hash_encrypted) on legacy.users to :SERVICE;
grant delete, select (ctid, tenant_id) on legacy.users to :JOBS;

CREATE TRIGGER _100_timestamps BEFORE UPDATE ON legacy.users FOR EACH ROW EXECUTE FUNCTION app_private.tg__touch_updated_at();
CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, id ON legacy.users FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR ((old.id)::text IS DISTINCT FROM (new.id)::text))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _800_audit_delete AFTER DELETE ON legacy.users REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_users__log_rows('{tenant_id,id,username,email,password_hash,role,is_active,created_at,updated_at,email_encrypted,password_hash_encrypted}', '{password_hash}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON legacy.users REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_users__log_rows('{tenant_id,id,username,email,password_hash,role,is_active,created_at,updated_at,email_encrypted,password_hash_encrypted}', '{password_hash}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON legacy.users FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON legacy.users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_users__log_rows('{tenant_id,id,username,email,password_hash,role,is_active,created_at,updated_at,email_encrypted,password_hash_encrypted}', '{password_hash}', '{}');

-- What the legacy system keeps of a workflow and app_public.workflows does not: one row beside it.
create table legacy.workflow_fields (
  -- The tenant. By default the caller's.
  tenant_id text collate "C" not null default app_private.current_tenant_id(),
  -- The workflow.
  workflow_id uuid not null,
  -- The id that the legacy system gave it, where that is not a UUID.
  id character varying(255),
  -- Its state in the words of the legacy system; it counts while the workflow has the state that it stands for.
  status character varying(20),
  -- Its steps in the shape of the legacy system; they count while the workflow has the steps that they stand for.
  steps jsonb,
  -- Ciphertext, which nobody here can read.
  steps_encrypted text,
  -- Ciphertext, which nobody here can read.
  context_encrypted text,
  constraint workflow_fields_pkey PRIMARY KEY (tenant_id, workflow_id),
  constraint workflow_fields_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app_public.workflows(tenant_id, id) ON DELETE CASCADE
);

create policy delete_jobs on legacy.workflow_fields for delete to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy delete_service on legacy.workflow_fields for delete to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy insert_service on legacy.workflow_fields for insert to :SERVICE with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy select_jobs on legacy.workflow_fields for select to :JOBS using ((tenant_id = ( SELECT app_private.retention_tenant_id() AS retention_tenant_id)));
create policy select_service on legacy.workflow_fields for select to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));
create policy update_service on legacy.workflow_fields for update to :SERVICE using ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id))) with check ((tenant_id = ( SELECT app_private.current_tenant_id() AS current_tenant_id)));

grant delete, insert (tenant_id, workflow_id, id, status, steps, steps_encrypted, context_encrypted), select, update (status, steps, steps_encrypted, context_encrypted) on legacy.workflow_fields to :SERVICE;
grant delete, select (ctid, tenant_id) on legacy.workflow_fields to :JOBS;

CREATE TRIGGER _200_keys BEFORE UPDATE OF tenant_id, workflow_id ON legacy.workflow_fields FOR EACH ROW WHEN (((old.tenant_id IS DISTINCT FROM new.tenant_id) OR (old.workflow_id IS DISTINCT FROM new.workflow_id))) EXECUTE FUNCTION app_private.tg__refuse_key_change();
CREATE TRIGGER _200_long_numbers BEFORE INSERT OR UPDATE OF steps ON legacy.workflow_fields FOR EACH ROW WHEN (app_private.may_print_long(new.steps)) EXECUTE FUNCTION app_private.tg__refuse_long_numbers('steps');
CREATE TRIGGER _800_audit_delete AFTER DELETE ON legacy.workflow_fields REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_fields__log_rows('{tenant_id,workflow_id,id,status,steps,steps_encrypted,context_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON legacy.workflow_fields REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_fields__log_rows('{tenant_id,workflow_id,id,status,steps,steps_encrypted,context_encrypted}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON legacy.workflow_fields FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON legacy.workflow_fields REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_workflow_fields__log_rows('{tenant_id,workflow_id,id,status,steps,steps_encrypted,context_encrypted}', '{}', '{}');

-- Workflows as the legacy system's models have them.
create view legacy.workflows (
  -- The workflow's id; a text, which is the one that it was made with.
  id character varying default (gen_random_uuid())::text,
  -- The name to show.
  name character varying(100),
  -- What it is for.
  description text,
  -- Its steps, in the shape in which they were written.
  steps jsonb,
  -- Its state: draft, active, pending, running, paused, completed, failed or cancelled.
  status character varying default 'draft'::character varying,
  -- Who made it.
  created_by character varying(50),
  -- Who looks after it.
  assigned_to character varying(50),
  -- What all steps need to know.
  context jsonb,
  -- When it was made.
  created_at timestamp with time zone,
  -- When the row last changed. What is written is ignored: the database sets it.
  updated_at timestamp with time zone,
  -- Ciphertext, which nobody here can read.
  steps_encrypted text,
  -- Ciphertext, which nobody here can read.
  context_encrypted text
) as ...;

grant delete, insert (id, name, description, steps, status, created_by, assigned_to, context, created_at, updated_at, steps_encrypted, context_encrypted), select, update (name, description, steps, status, created_by, assigned_to, context, updated_at, steps_encrypted, context_encrypted) on legacy.workflows to :SERVICE;

CREATE TRIGGER _500_write INSTEAD OF INSERT OR DELETE OR UPDATE ON legacy.workflows FOR EACH ROW EXECUTE FUNCTION legacy.tg_workflows__write();

-- Present and past problems: one open row for each kind and subject. An alert resolves by itself when its problem is over.
create table ops.alerts (
  -- Grows in the order in which alerts were raised.
  id bigint not null generated always as identity,
  -- The check that raised it: ops.check_<kind>.
  kind text not null,
  -- What it is about.
  subject text not null,
  -- warning: look at it; error: something that should happen does not.
  severity text not null,
  -- What is wrong, in a sentence.
  message text not null,
  -- The same as a JSON object, for programs; no secrets.
  details jsonb not null default '{}'::jsonb,
  -- When it was raised.
  raised_at timestamp with time zone not null default clock_timestamp(),
  -- When the check last found it.
  last_seen_at timestamp with time zone not null default clock_timestamp(),
  -- When it was resolved; null: it is open.
  resolved_at timestamp with time zone,
  constraint alerts_pkey PRIMARY KEY (id),
  constraint alerts_severity_check CHECK ((severity = ANY (ARRAY['warning'::text, 'error'::text])))
) with (fillfactor = 50);

CREATE UNIQUE INDEX alerts_kind_subject_idx ON ops.alerts USING btree (kind, subject) WHERE (resolved_at IS NULL);

create policy manage_owner on ops.alerts for all to :OWNER using (true) with check (true);
create policy select_operator on ops.alerts for select to :OPERATOR using (true);
create policy select_worker on ops.alerts for select to :WORKER using (true);

grant select on ops.alerts to :OPERATOR, :WORKER;

-- The backups that the store holds or has held: a copy of its manifests, for queries in SQL. The store is authoritative.
create table ops.backups (
  -- Its name; names sort by time.
  id text not null,
  -- full, incremental or snapshot.
  kind text not null,
  -- The backup that it builds on; null for a full one.
  parent_id text,
  -- When it began, by the server's clock.
  started_at timestamp with time zone not null,
  -- When it ended: the first moment that it can be restored to.
  ended_at timestamp with time zone not null,
  -- How many objects it has in the store.
  objects integer not null,
  -- The size of their content.
  bytes bigint not null,
  -- Their size in the store.
  stored_bytes bigint not null,
  -- SHA-256 of its manifest when it was first recorded: if the store has another, it was changed.
  manifest_sha256 text not null,
  -- Its place in the server's WAL; null for an embedded database.
  server jsonb,
  -- When it was first seen in the store.
  recorded_at timestamp with time zone not null default clock_timestamp(),
  -- When it was first missing from the store; null: it is there.
  removed_at timestamp with time zone,
  constraint backups_pkey PRIMARY KEY (id),
  constraint backups_kind_check CHECK ((kind = ANY (ARRAY['full'::text, 'incremental'::text, 'snapshot'::text]))),
  constraint backups_parent_check CHECK (((kind = 'incremental'::text) = (parent_id IS NOT NULL)))
);

create policy manage_owner on ops.backups for all to :OWNER using (true) with check (true);
create policy select_operator on ops.backups for select to :OPERATOR using (true);
create policy select_worker on ops.backups for select to :WORKER using (true);

grant select on ops.backups to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Tables whose changes the audit log misses, or logs at a higher cost than necessary.
create view ops.check_audit (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_audit to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. A backup that should exist and does not.
create view ops.check_backups (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_backups to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Jobs that failed for good.
create view ops.check_dead_jobs (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_dead_jobs to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Backups that the newest drill could not restore.
create view ops.check_drills (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_drills to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Logins whose sessions went beyond their limits in the last hour.
create view ops.check_ended_sessions (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_ended_sessions to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Logins of tenants that hold all of their connections.
create view ops.check_full_logins (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_full_logins to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Scheduled jobs that have not succeeded in time.
create view ops.check_late_jobs (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_late_jobs to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Workers that were taken for dead in the last hour.
create view ops.check_lost_workers (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_lost_workers to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Tables whose partitions end within a week.
create view ops.check_partition_horizon (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_partition_horizon to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Items that jobs have set aside, by task and tenant.
create view ops.check_quarantined_items (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_quarantined_items to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Callers that were refused in the last five minutes because they ask for too much.
create view ops.check_refused_callers (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_refused_callers to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Sealing of the audit log that is behind.
create view ops.check_sealing (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_sealing to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Writes that are stopped; after an hour that is an error.
create view ops.check_stopped_writes (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_stopped_writes to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Runs that take longer than they should.
create view ops.check_stuck_runs (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_stuck_runs to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. Logins of tenants whose roles lack their limits.
create view ops.check_unlimited_logins (
  -- What it is about.
  subject text collate "C",
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text collate "C",
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_unlimited_logins to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. The outbox, when it is not trimmed.
create view ops.check_untrimmed_events (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_untrimmed_events to :OPERATOR, :WORKER;

-- A check of ops.check_alerts. WAL that no worker receives.
create view ops.check_wal_receivers (
  -- What it is about.
  subject text,
  -- warning or error.
  severity text,
  -- What is wrong, in a sentence.
  message text,
  -- The same as JSON, for programs.
  details jsonb
) as ...;

grant select on ops.check_wal_receivers to :OPERATOR, :WORKER;

-- Restores that prove the backups: what they found, and how long they took.
create table ops.drills (
  -- Grows in the order in which drills ended.
  id bigint not null generated always as identity,
  -- When it began.
  started_at timestamp with time zone not null,
  -- When its verdict was recorded.
  finished_at timestamp with time zone not null default clock_timestamp(),
  -- Ids of the restored backups, the full one first; empty: none could be restored.
  backups text[] not null,
  -- The position in the WAL at which rows were compared; null for an embedded database.
  "position" text,
  -- How many tables were compared.
  compared_tables integer not null,
  -- How many rows were compared.
  compared_rows bigint not null,
  -- The time from the first byte read to a database that answers; null: it never answered.
  restore_time interval,
  -- A sentence for each thing that is wrong.
  problems text[] not null,
  -- The damage that the drill did to copies on purpose, and how it was noticed: an array of objects with `damage` and `noticed`.
  self_tests jsonb not null,
  -- Whether the backups are proven: nothing was wrong, and rows were compared.
  passed boolean not null generated always as ((cardinality(problems) = 0)) stored,
  constraint drills_pkey PRIMARY KEY (id),
  constraint drills_passed_check CHECK (((cardinality(problems) > 0) OR ((compared_rows > 0) AND (cardinality(backups) > 0) AND (restore_time IS NOT NULL))))
);

create policy manage_owner on ops.drills for all to :OWNER using (true) with check (true);
create policy select_operator on ops.drills for select to :OPERATOR using (true);
create policy select_worker on ops.drills for select to :WORKER using (true);

grant select on ops.drills to :OPERATOR, :WORKER;

-- Sessions of analysts' logins that went beyond their limits and were ended, a row for each login and reason.
create table ops.ended_sessions (
  -- The login.
  login name not null,
  -- The limit: advisory_lock, connections, idle, idle_in_transaction, notifications, statement or transaction.
  reason text not null,
  -- How often.
  count bigint not null default 1,
  -- When that happened first.
  first_at timestamp with time zone not null default clock_timestamp(),
  -- When that happened last.
  last_at timestamp with time zone not null default clock_timestamp(),
  -- Why the newest one could not be ended; null: it was.
  failure text,
  constraint ended_sessions_pkey PRIMARY KEY (login, reason)
);

create policy manage_owner on ops.ended_sessions for all to :OWNER using (true) with check (true);
create policy select_operator on ops.ended_sessions for select to :OPERATOR using (true);
create policy select_worker on ops.ended_sessions for select to :WORKER using (true);

grant select on ops.ended_sessions to :OPERATOR, :WORKER;

-- Runs of jobs, by the worker or by a command: their progress and their outcome. Of runs that had nothing to do, only the newest of each task is kept.
create table ops.job_runs (
  -- Grows in the order in which runs began.
  id bigint not null generated always as identity,
  -- The task that it runs.
  task text not null,
  -- Its parameters, as an object; no secrets.
  details jsonb not null default '{}'::jsonb,
  -- The process that runs it: the id of a worker, or host:pid of a command.
  worker text not null,
  -- The job of graphile-worker; null: a command.
  job_id bigint,
  -- At most one running run has this name; null: any number may run.
  lock text,
  -- running, succeeded, failed, or abandoned: its process did not report in time.
  outcome text not null default 'running'::text,
  -- How much is done, from 0 to 1; null: unknown.
  progress double precision,
  -- What it is doing, or what it did; a sentence.
  note text,
  -- Why it did not succeed.
  error text,
  -- Whether it succeeded because it had nothing to do.
  idle boolean not null default false,
  -- When it began.
  started_at timestamp with time zone not null default clock_timestamp(),
  -- When its process last reported.
  updated_at timestamp with time zone not null default clock_timestamp(),
  -- When it is taken for dead, unless its process reports before.
  lease_until timestamp with time zone not null,
  -- When it ended; null: it is running.
  finished_at timestamp with time zone,
  -- When it last reported something new; null: not yet.
  progressed_at timestamp with time zone,
  constraint job_runs_pkey PRIMARY KEY (id),
  constraint job_runs_error_check CHECK (((outcome = ANY (ARRAY['failed'::text, 'abandoned'::text])) = (error IS NOT NULL))),
  constraint job_runs_finished_check CHECK (((outcome = 'running'::text) = (finished_at IS NULL))),
  constraint job_runs_idle_check CHECK (((outcome = 'succeeded'::text) OR (NOT idle))),
  constraint job_runs_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text, 'abandoned'::text]))),
  constraint job_runs_progress_check CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision)))
) with (fillfactor = 50);

CREATE INDEX job_runs_job_id_idx ON ops.job_runs USING btree (job_id) WHERE (job_id IS NOT NULL);
CREATE UNIQUE INDEX job_runs_lock_idx ON ops.job_runs USING btree (lock) WHERE (outcome = 'running'::text);
CREATE INDEX job_runs_task_started_at_idx ON ops.job_runs USING btree (task, started_at);

create policy manage_owner on ops.job_runs for all to :OWNER using (true) with check (true);
create policy select_operator on ops.job_runs for select to :OPERATOR using (true);
create policy select_worker on ops.job_runs for select to :WORKER using (true);

grant select on ops.job_runs to :OPERATOR, :WORKER;

-- The tasks that the workers know, and their schedules (UTC).
create table ops.job_tasks (
  -- Its name.
  task text not null,
  -- What it is for.
  does text not null,
  -- Its crontab pattern; null: it is not scheduled.
  schedule text,
  -- The longest time between two of its runs; null: it is not scheduled.
  every interval,
  -- How long a run may take; a longer one raises an alert.
  expected interval not null,
  -- When a worker first reported that it knows the task.
  known_since timestamp with time zone not null default clock_timestamp(),
  constraint job_tasks_pkey PRIMARY KEY (task),
  constraint job_tasks_every_check CHECK (((schedule IS NULL) = (every IS NULL)))
);

create policy manage_owner on ops.job_tasks for all to :OWNER using (true) with check (true);
create policy select_operator on ops.job_tasks for select to :OPERATOR using (true);
create policy select_worker on ops.job_tasks for select to :WORKER using (true);

grant select on ops.job_tasks to :OPERATOR, :WORKER;

-- The queue of jobs as the worker reported it last, without payloads and without jobs that are done.
create view ops.jobs (
  -- The id of the job in graphile-worker.
  id bigint,
  -- The task that it runs.
  task text,
  -- waiting, running, or failed: its attempts are used up.
  state text,
  -- When it may run, or run again.
  due_at timestamp with time zone,
  -- How often it has begun.
  attempts integer,
  -- How often it may begin.
  max_attempts integer,
  -- Why the last attempt failed.
  last_error text,
  -- When it came into the queue.
  created_at timestamp with time zone,
  -- When the current attempt began.
  running_since timestamp with time zone,
  -- The worker that runs it; ops.workers says where.
  worker text,
  -- How much of the current attempt is done, from 0 to 1.
  progress double precision,
  -- What it is doing.
  note text
) as ...;

grant select on ops.jobs to :OPERATOR, :WORKER;

-- The logins of tenants, with what they may use at most.
create view ops.login_limits (
  -- The login's name.
  login name,
  -- The tenant that it sees.
  tenant_id text collate "C",
  -- The connections that it may have at a time.
  connections integer,
  -- How long a statement of it may run.
  statement_seconds integer,
  -- How long a transaction of it may be open.
  transaction_seconds integer,
  -- How long an open transaction of it may do nothing.
  idle_in_transaction_seconds integer,
  -- How long a session of it may do nothing.
  idle_seconds integer,
  -- Whether the role has the same number of connections; false: lightning login limit.
  limited boolean,
  -- What it may do: analyst or service.
  role text
) as ...;

grant select on ops.login_limits to :OPERATOR;

-- Buckets of metrics that have to be rolled up, or rolled up again: a row for each statement that changed one. Until then readers use the finer table.
create table ops.metric_changes (
  -- The rollup that lacks the bucket: minute, hour or day.
  resolution text not null,
  -- The tenant.
  tenant_id text collate "C" not null,
  -- When the bucket begins.
  bucket timestamp with time zone not null,
  constraint metric_changes_resolution_check CHECK ((resolution = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text])))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

CREATE INDEX metric_changes_resolution_bucket_idx ON ops.metric_changes USING btree (resolution, bucket);
CREATE INDEX metric_changes_tenant_id_bucket_resolution_idx ON ops.metric_changes USING btree (tenant_id, bucket, resolution);

create policy manage_jobs on ops.metric_changes for all to :JOBS using (true) with check (true);
create policy manage_owner on ops.metric_changes for all to :OWNER using (true) with check (true);

grant delete, insert (resolution, tenant_id, bucket), select on ops.metric_changes to :JOBS;

-- The times before which points are refused, because older points are removed.
create table ops.metric_floors (
  -- The tenant; null: all tenants.
  tenant_id text collate "C",
  -- Points from before this time are refused.
  kept_from timestamp with time zone not null,
  -- Points from before this time may be removed: all are rolled up, and nobody can add one.
  closed_to timestamp with time zone not null default '-infinity'::timestamp with time zone,
  -- The transaction that moved it: older transactions may not know the new floor.
  moved_by xid8 not null default pg_current_xact_id(),
  constraint metric_floors_tenant_id_key UNIQUE NULLS NOT DISTINCT (tenant_id),
  constraint metric_floors_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE CASCADE,
  constraint metric_floors_closed_to_check CHECK ((closed_to <= kept_from))
);

create policy manage_owner on ops.metric_floors for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.metric_floors for select to :JOBS using (true);
create policy select_operator on ops.metric_floors for select to :OPERATOR using (true);

grant select on ops.metric_floors to :JOBS, :OPERATOR;

-- The rollups of metrics. Whoever makes a rollup locks its row, so that only one does so at a time.
create table ops.metric_rollups (
  -- minute, hour or day.
  resolution text not null,
  -- When it was last checked.
  rolled_up_at timestamp with time zone,
  constraint metric_rollups_pkey PRIMARY KEY (resolution),
  constraint metric_rollups_resolution_check CHECK ((resolution = ANY (ARRAY['minute'::text, 'hour'::text, 'day'::text])))
);

create policy manage_jobs on ops.metric_rollups for all to :JOBS using (true) with check (true);
create policy select_operator on ops.metric_rollups for select to :OPERATOR using (true);

grant select on ops.metric_rollups to :OPERATOR;
grant select, update (rolled_up_at) on ops.metric_rollups to :JOBS;

-- How far ahead partitions exist. `short` is an alarm: rows beyond them are refused.
create view ops.partition_horizons (
  -- The table.
  parent text,
  -- The end of the last partition in the unbroken row from now on.
  reaches_to timestamp with time zone,
  -- How far ahead that is.
  ahead interval,
  -- How far ahead it has to be.
  needed interval,
  -- Whether it is less far ahead than needed.
  short boolean
) as ...;

grant select on ops.partition_horizons to :OPERATOR, :WORKER;

-- Partitions whose removal has begun but not ended.
create table ops.partition_removals (
  -- Its name, with its schema.
  partition text not null,
  -- The table that it belongs to or did before it was detached.
  parent text not null,
  -- The policy by which it is removed.
  policy text not null,
  -- The times that it holds.
  held tstzrange not null,
  -- How many rows of each tenant an earlier version counted; nothing reads it, and the next release drops it.
  rows_by_tenant jsonb,
  -- When the removal began.
  began_at timestamp with time zone not null default now(),
  -- When it was last tried.
  tried_at timestamp with time zone,
  -- The obstacle at that try; ops.removal_waits names the sessions.
  problem text,
  constraint partition_removals_pkey PRIMARY KEY (partition)
);

create policy manage_owner on ops.partition_removals for all to :OWNER using (true) with check (true);
create policy select_operator on ops.partition_removals for select to :OPERATOR using (true);
create policy select_worker on ops.partition_removals for select to :WORKER using (true);

grant select on ops.partition_removals to :OPERATOR, :WORKER;

-- Items of single tenants that jobs set aside, to go on with the other items. Each is tried again with growing pauses, and forgotten once it no longer fails.
create table ops.quarantined_items (
  -- The task that it failed in; reap_leases is the search for expired leases, every five seconds.
  task text not null,
  -- The tenant whose item it is.
  tenant_id text collate "C" not null,
  -- Its name in the task's terms: a bucket of a rollup, the id of a task, a workflow or knowledge, a policy of retention.
  item text not null,
  -- The SQLSTATE of its last error, or another word for its kind.
  code text not null,
  -- The message of its last error, 1,000 characters at most.
  reason text not null,
  -- How often it failed.
  failures integer not null default 1,
  -- When it failed first.
  first_failed_at timestamp with time zone not null default clock_timestamp(),
  -- When it failed last.
  last_failed_at timestamp with time zone not null default clock_timestamp(),
  -- When it is tried again.
  retry_at timestamp with time zone not null default (clock_timestamp() + '00:01:00'::interval),
  constraint quarantined_items_pkey PRIMARY KEY (task, tenant_id, item)
);

create policy manage_owner on ops.quarantined_items for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.quarantined_items for select to :JOBS using (true);
create policy select_operator on ops.quarantined_items for select to :OPERATOR using (true);

grant select on ops.quarantined_items to :JOBS;
grant select (task, tenant_id, item, code, failures, first_failed_at, last_failed_at, retry_at) on ops.quarantined_items to :OPERATOR;

-- The jobs in graphile-worker's queue, as the worker reported them last; ops.jobs shows their state.
create table ops.queued_jobs (
  -- The id of the job in graphile-worker.
  id bigint not null,
  -- The task that it runs.
  task text not null,
  -- The queue whose jobs run one after the other; null: none.
  queue text,
  -- When it may run, or run again.
  due_at timestamp with time zone not null,
  -- How often it has begun.
  attempts integer not null,
  -- How often it may begin.
  max_attempts integer not null,
  -- Why the last attempt failed, 2,000 characters at most.
  last_error text,
  -- When it came into the queue.
  created_at timestamp with time zone not null,
  -- When the current attempt began; null: it does not run.
  locked_at timestamp with time zone,
  -- The worker that runs it.
  worker text,
  constraint queued_jobs_pkey PRIMARY KEY (id)
);

create policy manage_owner on ops.queued_jobs for all to :OWNER using (true) with check (true);
create policy select_operator on ops.queued_jobs for select to :OPERATOR using (true);
create policy select_worker on ops.queued_jobs for select to :WORKER using (true);

grant select on ops.queued_jobs to :OPERATOR, :WORKER;

-- Whether a restore is possible, and to which time. One row.
create view ops.recovery (
  -- Whether there is a backup.
  can_restore boolean,
  -- The oldest moment that a restore can go to.
  reachable_from timestamp with time zone,
  -- When the newest backup ended.
  newest_backup_at timestamp with time zone,
  -- When the newest full backup ended.
  newest_full_at timestamp with time zone,
  -- When the newest incremental backup ended.
  newest_incremental_at timestamp with time zone,
  -- The last received position of the WAL: the newest that a restore can go to.
  wal_received_lsn pg_lsn,
  -- When it was received.
  wal_received_at timestamp with time zone,
  -- Bytes of WAL that the server keeps because no worker has received them.
  wal_waiting_bytes bigint,
  -- The current problem with receiving WAL; null: all is well.
  wal_problem text,
  -- When a drill last passed; null: none has.
  proven_at timestamp with time zone,
  -- How long that restore took.
  proven_restore_time interval,
  -- Whether the newest drill passed; null: there was none.
  newest_drill_passed boolean
) as ...;

grant select on ops.recovery to :OPERATOR, :WORKER;

-- Callers of the API that asked for more than docs/limits.md allows, a row for each caller and limit, for a day.
create table ops.refused_callers (
  -- Who: a tenant, a tenant and its subject, or an address.
  caller text not null,
  -- What there was too much of.
  what text not null,
  -- How often it was refused.
  count bigint not null,
  -- When that happened first.
  first_at timestamp with time zone not null default clock_timestamp(),
  -- When that happened last.
  last_at timestamp with time zone not null default clock_timestamp(),
  constraint refused_callers_pkey PRIMARY KEY (caller, what)
);

create policy manage_owner on ops.refused_callers for all to :OWNER using (true) with check (true);
create policy select_operator on ops.refused_callers for select to :OPERATOR using (true);
create policy select_worker on ops.refused_callers for select to :WORKER using (true);

grant select on ops.refused_callers to :OPERATOR, :WORKER;

-- The sessions that the removal of a partition waits for, longest first.
create view ops.removal_waits (
  -- The partition that is to be removed.
  partition text,
  -- When the removal began.
  waiting_since timestamp with time zone,
  -- The process of the session that it waits for.
  pid integer,
  -- The login of that session.
  login name,
  -- The application_name of that session.
  application text,
  -- When its transaction began.
  transaction_since timestamp with time zone,
  -- When its statement began.
  query_since timestamp with time zone
) as ...;

grant select on ops.removal_waits to :OPERATOR, :WORKER;

-- Data that stays whatever its age: imported history that the operator has not released, a dispute.
create table ops.retention_holds (
  -- The id of the hold.
  id bigint not null generated always as identity,
  -- The policy that the data is exempt from.
  policy text not null,
  -- The tenant; null: all tenants.
  tenant_id text collate "C",
  -- The time of the data.
  held tstzrange not null,
  -- The reason, for whoever wants to remove it.
  reason text not null,
  -- When it was made.
  created_at timestamp with time zone not null default now(),
  constraint retention_holds_pkey PRIMARY KEY (id),
  constraint retention_holds_policy_fkey FOREIGN KEY (policy) REFERENCES ops.retention_policies(policy) ON DELETE CASCADE,
  constraint retention_holds_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE CASCADE
);

CREATE INDEX retention_holds_policy_idx ON ops.retention_holds USING btree (policy);
CREATE INDEX retention_holds_tenant_id_idx ON ops.retention_holds USING btree (tenant_id);

create policy delete_operator on ops.retention_holds for delete to :OPERATOR using (true);
create policy insert_operator on ops.retention_holds for insert to :OPERATOR with check (true);
create policy manage_owner on ops.retention_holds for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.retention_holds for select to :JOBS using (true);
create policy select_operator on ops.retention_holds for select to :OPERATOR using (true);

grant delete, insert (policy, tenant_id, held, reason), select on ops.retention_holds to :OPERATOR;
grant select on ops.retention_holds to :JOBS;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON ops.retention_holds REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_holds__log_rows('{id,policy,tenant_id,held,reason,created_at}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON ops.retention_holds REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_holds__log_rows('{id,policy,tenant_id,held,reason,created_at}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON ops.retention_holds FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON ops.retention_holds REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_holds__log_rows('{id,policy,tenant_id,held,reason,created_at}', '{}', '{}');

-- The retention of single tenants, where it differs from that of all.
create table ops.retention_overrides (
  -- The policy.
  policy text not null,
  -- The tenant.
  tenant_id text collate "C" not null,
  -- How long it is kept; null: forever.
  keep interval,
  constraint retention_overrides_pkey PRIMARY KEY (policy, tenant_id),
  constraint retention_overrides_policy_fkey FOREIGN KEY (policy) REFERENCES ops.retention_policies(policy) ON DELETE CASCADE,
  constraint retention_overrides_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app_public.tenants(id) ON DELETE CASCADE,
  constraint retention_overrides_keep_check CHECK ((keep >= '01:00:00'::interval))
);

CREATE INDEX retention_overrides_tenant_id_idx ON ops.retention_overrides USING btree (tenant_id);

create policy manage_owner on ops.retention_overrides for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.retention_overrides for select to :JOBS using (true);
create policy select_operator on ops.retention_overrides for select to :OPERATOR using (true);

grant select on ops.retention_overrides to :JOBS, :OPERATOR;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON ops.retention_overrides REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_overrides__log_rows('{policy,tenant_id,keep}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON ops.retention_overrides REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_overrides__log_rows('{policy,tenant_id,keep}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON ops.retention_overrides FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON ops.retention_overrides REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit.tg_retention_overrides__log_rows('{policy,tenant_id,keep}', '{}', '{}');

-- How long data is kept. ops.set_retention changes it.
create table ops.retention_policies (
  -- The name of the policy.
  policy text not null,
  -- The data that it covers.
  description text not null,
  -- How long it is kept; null: forever.
  keep interval,
  -- Whether it covers data of tenants, each of which may have its own.
  by_tenant boolean not null,
  constraint retention_policies_pkey PRIMARY KEY (policy),
  constraint retention_policies_keep_check CHECK ((keep >= '01:00:00'::interval))
);

create policy manage_owner on ops.retention_policies for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.retention_policies for select to :JOBS using (true);
create policy select_operator on ops.retention_policies for select to :OPERATOR using (true);

grant select on ops.retention_policies to :JOBS, :OPERATOR;

CREATE TRIGGER _800_audit_delete AFTER DELETE ON ops.retention_policies FOR EACH ROW EXECUTE FUNCTION audit.tg__log_row('{policy,description,keep,by_tenant}', '{}', '{}');
CREATE TRIGGER _800_audit_insert AFTER INSERT ON ops.retention_policies FOR EACH ROW EXECUTE FUNCTION audit.tg__log_row('{policy,description,keep,by_tenant}', '{}', '{}');
CREATE TRIGGER _800_audit_truncate AFTER TRUNCATE ON ops.retention_policies FOR EACH STATEMENT EXECUTE FUNCTION audit.tg__log_truncate();
CREATE TRIGGER _800_audit_update AFTER UPDATE ON ops.retention_policies FOR EACH ROW EXECUTE FUNCTION audit.tg__log_row('{policy,description,keep,by_tenant}', '{}', '{}');

-- Removed data, by policy.
create table ops.retention_receipts (
  -- The id of the receipt.
  id bigint not null generated always as identity,
  -- When the last of it was removed.
  at timestamp with time zone not null default clock_timestamp(),
  -- The policy.
  policy text not null,
  -- The tenant whose data it was; null: no tenant's.
  tenant_id text collate "C",
  -- The data was older than this.
  older_than timestamp with time zone not null,
  -- The partition that was dropped; null: rows were deleted.
  partition text,
  -- How many rows were removed.
  row_count bigint not null,
  -- The disk space of the partition, the tenant's share by its rows; null for deleted rows, whose space is used again.
  bytes bigint,
  constraint retention_receipts_pkey PRIMARY KEY (id)
);

CREATE INDEX retention_receipts_at_idx ON ops.retention_receipts USING btree (at);

create policy insert_jobs on ops.retention_receipts for insert to :JOBS with check (true);
create policy manage_owner on ops.retention_receipts for all to :OWNER using (true) with check (true);
create policy select_jobs on ops.retention_receipts for select to :JOBS using (true);
create policy select_operator on ops.retention_receipts for select to :OPERATOR using (true);
create policy update_jobs on ops.retention_receipts for update to :JOBS using (true) with check (true);

grant insert (policy, tenant_id, older_than, row_count), select, update (at, row_count) on ops.retention_receipts to :JOBS;
grant select on ops.retention_receipts to :OPERATOR;

-- The current runs: since when, how far and where.
create view ops.running (
  -- The run in ops.job_runs.
  id bigint,
  -- The task that it runs.
  task text,
  -- Its parameters.
  details jsonb,
  -- How much is done, from 0 to 1; null: unknown.
  progress double precision,
  -- What it is doing.
  note text,
  -- When it began.
  started_at timestamp with time zone,
  -- How long it has been running.
  running_for interval,
  -- When its process last reported.
  updated_at timestamp with time zone,
  -- The id of a worker, or host:pid of a command.
  worker text,
  -- host:pid.
  process text,
  -- Its job in ops.jobs; null: a command.
  job_id bigint
) as ...;

grant select on ops.running to :OPERATOR, :WORKER;

-- One row while writes are stopped: nobody changes data then, at whatever door. Empty: writes go on.
create table ops.stopped_writes (
  -- The stop: a new one for each, so that a way back knows that nothing was written since.
  id uuid not null default gen_random_uuid(),
  -- Why, in the operator's words. Callers see it.
  reason text not null,
  -- When the first table was stopped.
  begun_at timestamp with time zone not null default clock_timestamp(),
  -- When the last one was: what was acknowledged before is stored, and nothing comes after it. Null: some tables still take writes.
  stopped_at timestamp with time zone,
  constraint stopped_writes_pkey PRIMARY KEY (id)
);

create policy manage_owner on ops.stopped_writes for all to :OWNER using (true) with check (true);
create policy select_operator on ops.stopped_writes for select to :OPERATOR using (true);
create policy select_worker on ops.stopped_writes for select to :WORKER using (true);

grant select on ops.stopped_writes to :OPERATOR, :WORKER;

-- Tenants that were deleted, or are being deleted: the last deletion of each id.
create table ops.tenant_removals (
  -- The id of the tenant.
  id text collate "C" not null,
  -- When the deletion began.
  begun_at timestamp with time zone not null default clock_timestamp(),
  -- The login that began it.
  begun_by name not null default SESSION_USER,
  -- The id of the export that was made before; null: none was.
  export_id text,
  -- How many rows were deleted so far, by table.
  row_counts jsonb not null default '{}'::jsonb,
  -- When it ended; null: it is under way, or was interrupted.
  ended_at timestamp with time zone,
  constraint tenant_removals_pkey PRIMARY KEY (id),
  constraint tenant_removals_row_counts_check CHECK ((jsonb_typeof(row_counts) = 'object'::text))
);

create policy manage_owner on ops.tenant_removals for all to :OWNER using (true) with check (true);
create policy select_operator on ops.tenant_removals for select to :OPERATOR using (true);

grant select on ops.tenant_removals to :OPERATOR;

-- All tenants with their logins.
create view ops.tenants (
  -- The tenant's id.
  id text collate "C",
  -- The name to show.
  name text,
  -- When it was suspended; null: it is not suspended.
  suspended_at timestamp with time zone,
  -- When it was made.
  created_at timestamp with time zone,
  -- Names of the logins that see it, in order.
  logins text[] collate "C"
) as ...;

grant select on ops.tenants to :OPERATOR;

-- The state of receiving WAL, by replication slot.
create table ops.wal_receivers (
  -- The slot that the server keeps WAL for.
  slot text not null,
  -- Whether the worker that reported this receives WAL.
  receiving boolean not null,
  -- The last received position of the WAL.
  received_lsn pg_lsn,
  -- Bytes of WAL that the server keeps because no worker has received them.
  kept_bytes bigint,
  -- Bytes that may still be written before the server gives up the slot; null: no limit.
  safe_bytes bigint,
  -- The state of the slot: reserved, extended, unreserved or lost.
  wal_status text,
  -- The current problem; null: all is well.
  problem text,
  -- When this was reported.
  seen_at timestamp with time zone not null default clock_timestamp(),
  constraint wal_receivers_pkey PRIMARY KEY (slot)
) with (fillfactor = 50);

create policy manage_owner on ops.wal_receivers for all to :OWNER using (true) with check (true);
create policy select_operator on ops.wal_receivers for select to :OPERATOR using (true);
create policy select_worker on ops.wal_receivers for select to :WORKER using (true);

grant select on ops.wal_receivers to :OPERATOR, :WORKER;

-- Processes that work on jobs, by the id under which graphile-worker locks jobs for them.
create table ops.workers (
  -- The id of the pool.
  id text not null,
  -- The machine that it runs on.
  host text not null,
  -- The id of its process there.
  pid integer not null,
  -- The version of this project that it runs.
  version text not null,
  -- When it began.
  started_at timestamp with time zone not null default clock_timestamp(),
  -- When it last reported that it lives, which it does every 15 seconds.
  seen_at timestamp with time zone not null default clock_timestamp(),
  -- When it ended as it should; null: it lives, or it died.
  stopped_at timestamp with time zone,
  -- When it was taken for dead; null: never.
  lost_at timestamp with time zone,
  constraint workers_pkey PRIMARY KEY (id)
) with (fillfactor = 50);

create policy manage_owner on ops.workers for all to :OWNER using (true) with check (true);
create policy select_operator on ops.workers for select to :OPERATOR using (true);
create policy select_worker on ops.workers for select to :WORKER using (true);

grant select on ops.workers to :OPERATOR, :WORKER;
