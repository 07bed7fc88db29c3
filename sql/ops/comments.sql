comment on schema ops is 'Operations across tenants: for operators and the worker.';

comment on view ops.tenants is 'All tenants with their logins.';
comment on column ops.tenants.id is 'The tenant''s id.';
comment on column ops.tenants.name is 'The name to show.';
comment on column ops.tenants.suspended_at is 'Since when it is locked out; null: it is not.';
comment on column ops.tenants.created_at is 'When it was made.';
comment on column ops.tenants.logins is 'Names of the logins that see it, in order.';

comment on function ops.create_tenant(text, text) is 'Makes a tenant, or gives back the one of that id and name. LTT01 when the id is taken under another name.';
comment on function ops.set_tenant_suspended(text, boolean) is 'Locks a tenant out, or lets it in again. LTT02 when there is none.';
comment on function ops.suspended_tenants() is 'Ids of the tenants that are locked out.';
comment on function ops.bind_login(name, text) is 'Binds a login to the tenant it will see. LTT02 no such tenant, LTT03 the login is more than a plain one, LTT04 it belongs to another tenant.';
comment on function ops.unbind_login(name) is 'Takes a login''s tenant away; false when it had none.';
comment on function ops.ensure_partitions(integer, integer) is 'Makes the missing partitions of metrics and their rollups (days ahead) and of audit.log (months ahead), and returns their names.';
comment on function ops.applied_migrations() is 'The migrations that this database has, oldest first.';
comment on function ops.reap_expired_leases(integer) is 'Takes back up to how_many tasks whose leases expired: they wait again, or are dead when their attempts are used up. Returns their number.';
comment on function ops.tend_workflows(integer) is 'Ends the steps that took too long, in up to how_many workflows, and goes on with them. Returns how many it was at; those that somebody else holds are left for the next time.';
comment on function ops.lock_workflow(text, uuid) is 'Locks a workflow, its tasks that are not over and their leases, in the one order of locks: leases, tasks, workflows, steps. Null when there is none.';
comment on function ops.advance_workflow(text, uuid) is 'Takes in what became of a workflow''s tasks, starts the steps that may start, and ends the workflow when nothing is left.';
comment on function ops.begin_workflow_step(app_public.workflows, app_public.workflow_steps) is 'Makes the task of a step whose dependencies have ended, or skips it. Returns its status.';
comment on function ops.workflow_condition_holds(jsonb, jsonb) is 'Whether a valid condition holds, given {key: {status, result}} of earlier steps.';
comment on function ops.lock_waiting_workflow_tasks(text, uuid) is 'Locks the tasks of a workflow''s steps that wait, passing over those that somebody is claiming, and gives their ids.';
comment on function ops.cancel_workflow_tasks(text, uuid[], text) is 'Cancels tasks, with the leases that they are under.';
comment on function ops.read_events(pg_snapshot, xid8, bigint, text[], integer) is 'Reads the outbox of these tenants on from a position, at most max_rows rows: the snapshot of now, the one that the outbox is trimmed to, and rows {transaction, id, tenantId, topic, operation, keys} in the order to deliver them.';
comment on function ops.trim_events(interval) is 'Removes from the outbox what could be read for at least as long as `keep`; gives the number of rows.';
