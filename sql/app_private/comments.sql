comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';

comment on table app_private.tenant_logins is 'Which tenant a login of its own (an analyst''s) sees.';
comment on column app_private.tenant_logins.login is 'The login''s name, as session_user says it.';
comment on column app_private.tenant_logins.tenant_id is 'The one tenant that it sees.';
comment on column app_private.tenant_logins.created_at is 'When it was bound.';

comment on function app_private.current_tenant_id() is 'The tenant of whoever asks: from the setting app.tenant_id for the API''s login, from app_private.tenant_logins for any other, null for nobody''s.';
comment on function app_private.login_tenant_id() is 'The tenant that the session''s login is bound to; null when it is bound to none or its tenant is suspended.';
comment on function app_private.create_partition(regclass, name, timestamptz, timestamptz) is 'Makes the partition [range_start, range_end) of a table, with row-level security and audit; false when it is there already.';
comment on function app_private.tg__touch_updated_at() is 'Trigger: sets updated_at.';
comment on function app_private.tg__refuse_key_change() is 'Trigger: refuses to change a key, with LTK01.';
comment on sequence app_private.fencing_tokens is 'Tokens of leases: later claims have larger ones.';
comment on function app_private.lock_claimable_tasks(text, text, text[], jsonb, integer) is 'Locks the next tasks that an agent may claim, and gives their ids in the order of the queue.';
comment on function app_private.refuse_ended_lease(uuid, bigint) is 'Raises why a fencing token is good for nothing: LTQ01 no such task, LTQ02 the lease is over, LTQ03 the task was cancelled, LTQ05 an argument is missing.';
comment on function app_private.tg_tasks__place_in_queue() is 'Trigger: sets queue_at from run_after and priority.';
comment on function app_private.tg_tasks__check_update() is 'Trigger: refuses an illegal change of state, with LTQ04, and a change of a claimed task but for its agent, with LTQ06.';
comment on function app_private.tg_tasks__notify() is 'Trigger: NOTIFY lightning:tasks with {tenant, operation, ids}; ids is null when more than 150 tasks changed at once.';
comment on function app_private.tg_tenants__notify() is 'Trigger: NOTIFY lightning:tenants without payload when a tenant was suspended or resumed.';
comment on function app_private.tg_knowledge__clear_embedding() is 'Takes away the embedding of content that changed without a new one.';
comment on function app_private.refuse_embedding(public.vector) is 'Raises LTS01 for an embedding of another dimension, LTS02 for one of zeros.';
comment on function app_private.nearest_knowledge(text, public.vector, text, text, jsonb, text, integer) is 'The knowledge of a tenant that is nearest to an embedding, with its cosine distance, nearest first. For the search functions.';
comment on function app_private.knowledge_by_text(text, text, text, text, jsonb, integer) is 'The knowledge of a tenant that holds the words of a text, the most relevant first. For search_knowledge.';
