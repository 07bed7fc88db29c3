comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on table app_private.events is 'The outbox of live updates: which rows changed, a row per statement and tenant. Kept for about an hour.';
comment on column app_private.events.transaction_id is 'The transaction that made the change.';
comment on column app_private.events.id is 'The order within a transaction; across transactions it says nothing.';
comment on column app_private.events.tenant_id is 'Whose rows changed.';
comment on column app_private.events.topic is 'The table: tasks, workflows, agents.';
comment on column app_private.events.operation is 'One of insert, update, delete.';
comment on column app_private.events.keys is 'The ids of the rows; null when more than 1,000 changed at once.';
comment on column app_private.events.at is 'When the transaction began.';

comment on table app_private.event_marks is 'Snapshots by time, for trimming the outbox.';
comment on column app_private.event_marks.at is 'When the snapshot was taken.';
comment on column app_private.event_marks.snapshot is 'What was visible then.';
comment on column app_private.event_marks.trimmed is 'The one mark that the outbox was trimmed to.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';
comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'What is wrong with the arguments of a claim; null when nothing is.';
comment on function app_private.is_claimable(app_public.tasks, text, text[], jsonb, timestamptz) is 'Whether an agent may have the task now.';
comment on function app_private.reap_for_claim(text, integer) is 'Takes back expired leases of the tenant unless another claim is at it; how many.';
comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
comment on function app_private.tg__publish() is 'Trigger: writes the keys of what changed into app_private.events, and wakes up who listens on lightning:<table>, without payload.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first; of more than 2,000 items the newest 2,000. For search_knowledge.';
comment on function app_private.workflow_steps_problems(jsonb) is 'What is wrong with the steps of a workflow, by path; no rows: they can run.';
comment on function app_private.workflow_step_problems(text, jsonb) is 'What is wrong with one step by itself.';
comment on function app_private.workflow_condition_problems(text, jsonb, text[], integer) is 'What is wrong with a condition that may ask about the steps `known`.';
comment on function app_private.sync_workflow_steps(app_public.workflows) is 'Brings the rows of a workflow''s steps in line with what is written in it; gives the keys of new and changed ones.';
comment on function app_private.lock_callers_workflow(uuid) is 'The workflow, locked with its tasks. LTW01 no such workflow, LTW05 the id is missing.';
comment on function app_private.tg_tasks__advance_workflows() is 'Trigger: goes on with the workflows of tasks that ended; refuses to try a step''s task again by itself, with LTW08.';
comment on function app_private.tg_tasks__check_delete() is 'Trigger: refuses to delete the task of a running step, with LTW09.';
comment on function app_private.tg_workflows__check_steps() is 'Trigger: refuses steps that could not run, with LTW02.';
comment on function app_private.tg_workflows__check_update() is 'Trigger: refuses an illegal change of state with LTW04, other steps for a running workflow with LTW03, and a direct write of what the steps keep with LTW06.';
comment on function app_private.tg_workflows__check_delete() is 'Trigger: refuses to delete a workflow that runs, with LTW07.';
