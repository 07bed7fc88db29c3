-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
-- What changed is read by each process of the API, for all of its subscribers at once, in the same way.
grant execute on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) to :ANON;
grant execute on function ops.trim_events(interval) to :WORKER;
grant execute on function ops.ensure_partitions(integer, integer, timestamptz) to :WORKER;
grant execute on function ops.reap_expired_leases(integer) to :WORKER;
grant execute on function
  ops.tend_workflows(integer), ops.lock_workflow(text, uuid), ops.advance_workflow(text, uuid),
  ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps), ops.workflow_condition_holds(jsonb, jsonb),
  ops.lock_waiting_workflow_tasks(text, uuid), ops.cancel_workflow_tasks(text, uuid[], text)
  to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;

-- Knowledge. The functions that belong to :SEARCH have their grants beside them.
grant execute on function
  app_private.refuse_embedding(public.vector),
  app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer),
  app_private.knowledge_by_text(text, text, text, text, jsonb, integer)
  to :SEARCH;
grant execute on function
  app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector),
  app_public.add_knowledge_items(jsonb)
  to :MEMBER, :SERVICE, :ADMIN;

-- Tasks: everybody who writes may add, cancel and retry them; only programs work on them.
grant execute on function
  app_public.enqueue_task(text, jsonb, text, text, timestamptz, integer, text[], text), app_public.enqueue_tasks(jsonb),
  app_public.cancel_task(uuid, text), app_public.retry_task(uuid, timestamptz)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function
  app_public.claim_tasks(text, text[], jsonb, interval, integer), app_public.claim_task(text, text[], jsonb, interval),
  app_public.heartbeat_task(uuid, bigint, double precision, text, interval),
  app_public.complete_task(uuid, bigint, jsonb),
  app_public.fail_task(uuid, bigint, text, boolean, interval), app_public.release_task(uuid, bigint, interval)
  to :SERVICE, :ADMIN;

-- Workflows: everybody who writes may run them, analysts may look.
grant execute on function
  app_public.start_workflow(uuid, jsonb), app_public.pause_workflow(uuid), app_public.resume_workflow(uuid),
  app_public.cancel_workflow(uuid, text), app_public.retry_workflow(uuid, text)
  to :MEMBER, :SERVICE, :ADMIN;
grant execute on function app_public.workflow_progress(uuid) to :MEMBER, :SERVICE, :ADMIN, :ANALYST;
