comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';

comment on table app_public.tenants is 'A tenant: one customer or team, whose data nobody else sees.';
comment on column app_public.tenants.id is 'A short name in lower case, e.g. `default`. Never changes.';
comment on column app_public.tenants.name is 'The name to show.';
comment on column app_public.tenants.suspended_at is 'Since when the tenant is locked out; null: it is not.';
comment on column app_public.tenants.created_at is 'When the tenant was made.';
comment on column app_public.tenants.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.agents is E'@unique id|@fieldName agent|@updateFieldName updateAgent|@deleteFieldName deleteAgent\nAn AI agent: who it is, which model it runs on and how it is set up.';
comment on column app_public.agents.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.agents.id is 'The agent''s id in its tenant, e.g. `full_stack_developer`.';
comment on column app_public.agents.name is 'The name to show.';
comment on column app_public.agents.model is 'The language model, e.g. `gpt-4o`.';
comment on column app_public.agents.specialization is 'What it is good at, in a word or two.';
comment on column app_public.agents.status is 'One of idle, busy, paused, offline, error.';
comment on column app_public.agents.config is 'Everything else about it: prompts, capabilities, limits.';
comment on column app_public.agents.created_at is 'When the agent was registered.';
comment on column app_public.agents.updated_at is 'When the row last changed; kept by a trigger.';

comment on table app_public.tasks is E'@unique id|@fieldName task|@updateFieldName updateTask|@deleteFieldName deleteTask\nA piece of work for an agent.';
comment on column app_public.tasks.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.tasks.id is 'The task''s id.';
comment on column app_public.tasks.agent_id is 'Which agent is to do it; null: whoever claims it, or the agent was removed.';
comment on column app_public.tasks.description is 'What is to be done.';
comment on column app_public.tasks.status is 'One of pending, assigned, running, completed, failed, cancelled, dead.';
comment on column app_public.tasks.priority is 'One of low, normal, high, critical.';
comment on column app_public.tasks.context is 'What the agent needs to know.';
comment on column app_public.tasks.result is 'What came out; null until it is completed.';
comment on column app_public.tasks.created_at is 'When the task was made.';
comment on column app_public.tasks.started_at is 'When work began, at the latest attempt.';
comment on column app_public.tasks.completed_at is 'When it ended, well or badly.';
comment on column app_public.tasks.error_message is 'Why it failed, the latest time, or why it was cancelled.';
comment on column app_public.tasks.required_capabilities is 'Only who has all of them may claim it.';
comment on column app_public.tasks.run_after is 'It is not claimed before.';
comment on column app_public.tasks.queue_at is 'Its place in the queue: run_after, put forward by 3 hours for critical, 1 hour for high, 20 minutes for normal. Kept by a trigger.';
comment on column app_public.tasks.attempt is 'How often it was claimed: the number of the latest attempt.';
comment on column app_public.tasks.failures is 'How many attempts failed or expired since it was made or retried.';
comment on column app_public.tasks.max_attempts is 'As many failures make it dead.';
comment on column app_public.tasks.workflow_id is 'The workflow of whose step it is the task; null: none, or the workflow was deleted.';
comment on column app_public.tasks.step_key is 'The step''s key in the workflow.';
comment on column app_public.tasks.idempotency_key is 'Enqueued again under the same key it stays one task. Unique in the tenant.';

comment on table app_public.task_leases is E'@unique task_id|@fieldName taskLease\nWho works on a task at the moment, and until when. Written by the functions of tasks only.';
comment on column app_public.task_leases.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_leases.task_id is 'The task.';
comment on column app_public.task_leases.fencing_token is 'Grows with every claim; every write of the task needs the current one.';
comment on column app_public.task_leases.attempt is 'Which attempt at the task it is, from 1.';
comment on column app_public.task_leases.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_leases.lease is 'For how long each heartbeat extends it.';
comment on column app_public.task_leases.claimed_at is 'When it was claimed.';
comment on column app_public.task_leases.heartbeat_at is 'When something was heard last.';
comment on column app_public.task_leases.expires_at is 'When somebody else may have it.';
comment on column app_public.task_leases.progress is 'How far it is, from 0 to 1; null: nothing was said.';
comment on column app_public.task_leases.note is 'What its holder said last about it.';

comment on table app_public.task_attempts is 'What became of each time that a task was claimed. Written by the functions of tasks only.';
comment on column app_public.task_attempts.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.task_attempts.task_id is 'The task.';
comment on column app_public.task_attempts.attempt is 'Which attempt at the task it was, from 1.';
comment on column app_public.task_attempts.fencing_token is 'The token that it wrote with.';
comment on column app_public.task_attempts.agent is 'Who claimed it, as they call themselves.';
comment on column app_public.task_attempts.claimed_at is 'When it was claimed.';
comment on column app_public.task_attempts.ended_at is 'When it ended.';
comment on column app_public.task_attempts.outcome is 'One of completed, failed, expired, released, cancelled.';
comment on column app_public.task_attempts.error is 'Why it failed, expired or was cancelled.';
comment on column app_public.task_attempts.progress is 'How far it came, from 0 to 1; null: nothing was said.';
comment on column app_public.task_attempts.note is 'What its holder said last about it.';

comment on type app_public.claimed_task is 'A task as a claim gives it: with what is needed to work on it and to report back.';
comment on column app_public.claimed_task.task_id is 'The task''s id.';
comment on column app_public.claimed_task.fencing_token is 'To be given back with every call about this attempt.';
comment on column app_public.claimed_task.attempt is 'Which attempt it is, from 1.';
comment on column app_public.claimed_task.max_attempts is 'As many failures make it dead.';
comment on column app_public.claimed_task.expires_at is 'When somebody else may have it, unless heartbeat_task extends it.';
comment on column app_public.claimed_task.agent_id is 'Which agent is to do it; null: any.';
comment on column app_public.claimed_task.priority is 'One of low, normal, high, critical.';
comment on column app_public.claimed_task.description is 'What is to be done.';
comment on column app_public.claimed_task.context is 'What the agent needs to know.';
comment on column app_public.claimed_task.required_capabilities is 'What it takes to do it.';
comment on column app_public.claimed_task.created_at is 'When the task was made.';

comment on table app_public.knowledge is E'@unique id|@fieldName knowledge|@updateFieldName updateKnowledge|@deleteFieldName deleteKnowledge\nAn item of knowledge that agents look up, with an embedding to find it by meaning.';
comment on column app_public.knowledge.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.knowledge.id is 'The item''s id; a random one where none is given.';
comment on column app_public.knowledge.agent_id is 'Whose knowledge it is; null: everybody''s, or the agent was removed.';
comment on column app_public.knowledge.category is 'A word to group by.';
comment on column app_public.knowledge.content is 'The text itself.';
comment on column app_public.knowledge.source is 'Where it comes from: a file, an address, a whole quotation.';
comment on column app_public.knowledge.metadata is 'Anything else about it.';
comment on column app_public.knowledge.embedding is 'The content''s embedding, 1536 dimensions; null until it is computed.';
comment on column app_public.knowledge.embedding_error is 'Why the content could not be embedded; null: it was, or it has not been tried. Content that changes is tried again.';
comment on column app_public.knowledge.usage_count is 'How often it was used.';
comment on column app_public.knowledge.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge.created_at is 'When it was added.';
comment on column app_public.knowledge.last_used_at is 'When it was last used.';

comment on table app_public.workflows is E'@unique id|@fieldName workflow|@updateFieldName updateWorkflow|@deleteFieldName deleteWorkflow\nSeveral steps of work that belong together.';
comment on column app_public.workflows.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflows.id is 'The workflow''s id.';
comment on column app_public.workflows.name is 'The name to show.';
comment on column app_public.workflows.description is 'What it is for.';
comment on column app_public.workflows.steps is 'The steps, a JSON array of objects: key, task (description, priority, agent_id, capabilities, context), depends_on, on_failure, max_attempts, timeout, condition. Checked when it is written.';
comment on column app_public.workflows.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflows.created_by is 'Who made it.';
comment on column app_public.workflows.assigned_to is 'Who looks after it.';
comment on column app_public.workflows.context is 'What all steps need to know.';
comment on column app_public.workflows.created_at is 'When the workflow was made.';
comment on column app_public.workflows.updated_at is 'When the row last changed; kept by a trigger.';
comment on column app_public.workflows.started_at is 'When start_workflow started it; null: not yet, or its status is kept by somebody else.';
comment on column app_public.workflows.paused_at is 'Since when it is paused; null: it is not.';
comment on column app_public.workflows.completed_at is 'When it ended, well or badly.';
comment on column app_public.workflows.error_message is 'Why it failed or was cancelled.';

comment on table app_public.workflow_steps is E'@unique workflow_id,key|@fieldName workflowStep\nHow far the steps of a started workflow are. Written by the functions of workflows only.';
comment on column app_public.workflow_steps.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.workflow_steps.workflow_id is 'The workflow.';
comment on column app_public.workflow_steps.key is 'The step''s key in its workflow.';
comment on column app_public.workflow_steps.position is 'Its place in the workflow''s steps, from 1.';
comment on column app_public.workflow_steps.depends_on is 'Keys of the steps that come before it.';
comment on column app_public.workflow_steps.on_failure is 'What follows when it fails. fail: the workflow fails; skip: what depends on it is skipped; continue: what depends on it runs.';
comment on column app_public.workflow_steps.definition is 'The step as the workflow had it when it was started or tried again.';
comment on column app_public.workflow_steps.status is 'One of pending, running (its task waits or is worked on), completed, failed, skipped, cancelled.';
comment on column app_public.workflow_steps.task_id is 'Its latest task; null: there was none yet, or it was deleted.';
comment on column app_public.workflow_steps.result is 'The result of its task.';
comment on column app_public.workflow_steps.error_message is 'Why it failed, or for which failure it was skipped; null: it was skipped because its condition did not hold, or all that it depends on was.';
comment on column app_public.workflow_steps.started_at is 'When its task was made.';
comment on column app_public.workflow_steps.completed_at is 'When it ended, well or badly, or was skipped.';
comment on column app_public.workflow_steps.timeout_at is 'When it fails unless it has ended; null: never.';

comment on type app_public.workflow_overview is 'How far a workflow is.';
comment on column app_public.workflow_overview.workflow_id is 'The workflow''s id.';
comment on column app_public.workflow_overview.status is 'One of draft, pending, running, paused, completed, failed, cancelled.';
comment on column app_public.workflow_overview.progress is 'From 0 to 1: the mean of its steps.';
comment on column app_public.workflow_overview.total is 'How many steps it has.';
comment on column app_public.workflow_overview.pending is 'How many have not begun.';
comment on column app_public.workflow_overview.running is 'How many have a task that waits or is worked on.';
comment on column app_public.workflow_overview.completed is 'How many are completed.';
comment on column app_public.workflow_overview.failed is 'How many failed.';
comment on column app_public.workflow_overview.skipped is 'How many were skipped.';
comment on column app_public.workflow_overview.cancelled is 'How many were cancelled.';
comment on column app_public.workflow_overview.error_message is 'Why it failed or was cancelled.';
comment on column app_public.workflow_overview.started_at is 'When it was started.';
comment on column app_public.workflow_overview.completed_at is 'When it ended.';
comment on column app_public.workflow_overview.steps is 'Each step: key, status, progress, task_id, task_status, attempt, max_attempts, agent, note, error, started_at, completed_at, timeout_at.';

comment on table app_public.sessions is E'@unique id|@fieldName session|@updateFieldName updateSession|@deleteFieldName deleteSession\nA user''s login session. The token itself is stored nowhere.';
comment on column app_public.sessions.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.sessions.id is 'The session''s id.';
comment on column app_public.sessions.user_id is 'Whose session it is.';
comment on column app_public.sessions.token is 'SHA-256 of the token, 64 hexadecimal digits. Can be written and never read.';
comment on column app_public.sessions.data is 'What the service keeps in it.';
comment on column app_public.sessions.expires_at is 'When it ends.';
comment on column app_public.sessions.created_at is 'When it was opened.';
comment on column app_public.sessions.role is 'What requests with its token run as: member, service or admin.';
comment on column app_public.sessions.sliding_ttl is 'For how long use prolongs it; null: use does not.';
comment on column app_public.sessions.ends_at is 'Until when use can prolong it.';

comment on table app_public.metrics is 'A measurement of a service at a point in time. Partitioned by day, removed by retention.';
comment on column app_public.metrics.tenant_id is E'@behavior -*\nThe tenant. By default the caller''s.';
comment on column app_public.metrics.id is 'Tells points of the same instant apart.';
comment on column app_public.metrics.service_name is 'Who measured.';
comment on column app_public.metrics.metric_name is 'What was measured.';
comment on column app_public.metrics.value is 'The value, in the metric''s own unit.';
comment on column app_public.metrics.tags is 'Dimensions to filter and group by: a flat object.';
comment on column app_public.metrics."timestamp" is 'When it was measured.';

comment on table app_public.metrics_minute is 'What the points of a series amount to in a minute: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_minute.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_minute.service_name is 'Who measured.';
comment on column app_public.metrics_minute.metric_name is 'What was measured.';
comment on column app_public.metrics_minute.tags is 'The dimensions of the series.';
comment on column app_public.metrics_minute.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_minute.bucket is 'When it begins.';
comment on column app_public.metrics_minute.count is 'How many points.';
comment on column app_public.metrics_minute.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_minute.min is 'The smallest value.';
comment on column app_public.metrics_minute.max is 'The largest value.';
comment on column app_public.metrics_minute.last is 'The value that was measured last.';
comment on column app_public.metrics_minute.last_at is 'When that was.';
comment on column app_public.metrics_minute.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_minute.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_hour is 'What the points of a series amount to in an hour: made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_hour.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_hour.service_name is 'Who measured.';
comment on column app_public.metrics_hour.metric_name is 'What was measured.';
comment on column app_public.metrics_hour.tags is 'The dimensions of the series.';
comment on column app_public.metrics_hour.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_hour.bucket is 'When it begins.';
comment on column app_public.metrics_hour.count is 'How many points.';
comment on column app_public.metrics_hour.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_hour.min is 'The smallest value.';
comment on column app_public.metrics_hour.max is 'The largest value.';
comment on column app_public.metrics_hour.last is 'The value that was measured last.';
comment on column app_public.metrics_hour.last_at is 'When that was.';
comment on column app_public.metrics_hour.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_hour.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on table app_public.metrics_day is 'What the points of a series amount to in a day (of UTC): made by the worker, read by `metric_series` and `metric_percentiles`.';
comment on column app_public.metrics_day.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.metrics_day.service_name is 'Who measured.';
comment on column app_public.metrics_day.metric_name is 'What was measured.';
comment on column app_public.metrics_day.tags is 'The dimensions of the series.';
comment on column app_public.metrics_day.tags_hash is E'@behavior -*\nDigest of the tags, for the key.';
comment on column app_public.metrics_day.bucket is 'When it begins.';
comment on column app_public.metrics_day.count is 'How many points.';
comment on column app_public.metrics_day.sum is 'Their sum; null: it is beyond a double.';
comment on column app_public.metrics_day.min is 'The smallest value.';
comment on column app_public.metrics_day.max is 'The largest value.';
comment on column app_public.metrics_day.last is 'The value that was measured last.';
comment on column app_public.metrics_day.last_at is 'When that was.';
comment on column app_public.metrics_day.sketch_keys is E'@behavior -*\nThe buckets of the histogram that have values, in order; see the documentation of metrics.';
comment on column app_public.metrics_day.sketch_counts is E'@behavior -*\nHow many values each of them has.';

comment on view app_public.user_sessions is E'@primaryKey id|@fieldName userSession\nThe sessions of the tenant''s users, without tokens and data.';
comment on column app_public.user_sessions.tenant_id is E'@behavior -*\nThe tenant.';
comment on column app_public.user_sessions.id is 'The session''s id.';
comment on column app_public.user_sessions.user_id is 'Whose session it is.';
comment on column app_public.user_sessions.expires_at is 'When it ends.';
comment on column app_public.user_sessions.created_at is 'When it was opened.';
comment on column app_public.user_sessions.role is 'What requests with its token run as.';

-- In GraphQL a caller has one tenant and never names it: rows are found by their own id, the keys that hold the tenant
-- and the way from and to the tenant's row are hidden.
comment on constraint agents_pkey on app_public.agents is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint tasks_pkey on app_public.tasks is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint task_leases_pkey on app_public.task_leases is E'@behavior -single\nA task has one lease at a time.';
comment on constraint task_attempts_pkey on app_public.task_attempts is E'@behavior -single\nAn attempt is known by its task and number.';
comment on constraint knowledge_pkey on app_public.knowledge is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflows_pkey on app_public.workflows is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint workflow_steps_pkey on app_public.workflow_steps is E'@behavior -single\nA step is known by its workflow and key.';
comment on constraint sessions_pkey on app_public.sessions is E'@behavior -single -update -delete\nA row is known by its tenant and its id.';
comment on constraint metrics_pkey on app_public.metrics is E'@behavior -single -update -delete\nA row is known by its tenant, its time and its id.';
comment on constraint metrics_minute_pkey on app_public.metrics_minute is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_hour_pkey on app_public.metrics_hour is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint metrics_day_pkey on app_public.metrics_day is E'@behavior -single -update -delete\nA row is known by its tenant, its series and its time.';
comment on constraint agents_tenant_id_fkey on app_public.agents is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint tasks_tenant_id_fkey on app_public.tasks is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint knowledge_tenant_id_fkey on app_public.knowledge is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint workflows_tenant_id_fkey on app_public.workflows is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_tenant_id_fkey on app_public.sessions is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_tenant_id_fkey on app_public.metrics is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_minute_tenant_id_fkey on app_public.metrics_minute is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_hour_tenant_id_fkey on app_public.metrics_hour is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint metrics_day_tenant_id_fkey on app_public.metrics_day is E'@behavior -*\nA row belongs to a tenant.';
comment on constraint sessions_token_key on app_public.sessions is E'@behavior -*\nA token opens one session, in whichever tenant. Nobody looks up by what they cannot read.';
comment on constraint tasks_agent_id_fkey on app_public.tasks is E'@fieldName agent\n@foreignFieldName tasks\nWho does the task.';
comment on constraint task_leases_task_id_fkey on app_public.task_leases is E'@fieldName task\n@foreignSingleFieldName lease\nThe task that is worked on.';
comment on constraint task_attempts_task_id_fkey on app_public.task_attempts is E'@fieldName task\n@foreignFieldName attempts\nThe task that was tried.';
comment on constraint knowledge_agent_id_fkey on app_public.knowledge is E'@fieldName agent\n@foreignFieldName knowledge\nWhose knowledge it is.';

comment on type app_public.knowledge_match is 'An item of knowledge that a search found, and why.';
comment on column app_public.knowledge_match.id is 'The item''s id.';
comment on column app_public.knowledge_match.agent_id is 'Whose knowledge it is.';
comment on column app_public.knowledge_match.category is 'A word to group by.';
comment on column app_public.knowledge_match.content is 'The text itself.';
comment on column app_public.knowledge_match.source is 'Where it comes from.';
comment on column app_public.knowledge_match.metadata is 'Anything else about it.';
comment on column app_public.knowledge_match.usage_count is 'How often it was used.';
comment on column app_public.knowledge_match.relevance_score is 'How useful it proved; 1 is neutral.';
comment on column app_public.knowledge_match.created_at is 'When it was added.';
comment on column app_public.knowledge_match.last_used_at is 'When it was last used.';
comment on column app_public.knowledge_match.score is 'Reciprocal rank fusion of the parts: 1, first in every part; results are in its order.';
comment on column app_public.knowledge_match.similarity is 'By meaning: cosine similarity, -1 to 1; null: that part did not find it.';
comment on column app_public.knowledge_match.vector_rank is 'By meaning: its place, from 1.';
comment on column app_public.knowledge_match.text_relevance is 'By words: how well and how densely they match, more is better; null: that part did not find it.';
comment on column app_public.knowledge_match.text_rank is 'By words: its place, from 1.';

comment on function app_public.add_knowledge(text, text, text, text, text, jsonb, public.vector) is $$Adds an item of knowledge.

content: the text. id: a random one where none is given. agent_id, category, source, metadata: as in the table. embedding: 1536 dimensions; without one the worker makes it, where EMBEDDINGS_URL is set.

Gives the item.

Errors: LTS15 content is missing; LTS01 or LTS02 an embedding of another dimension or of zeros; 23505 there is one of this id; 23503 there is no such agent.$$;
comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
comment on constraint tasks_workflow_id_fkey on app_public.tasks is E'@fieldName workflow\n@foreignFieldName tasks\nThe workflow of whose step it is the task.';
comment on constraint workflow_steps_workflow_id_fkey on app_public.workflow_steps is E'@fieldName workflow\n@foreignFieldName stepStates\nThe workflow.';
comment on constraint workflow_steps_task_id_fkey on app_public.workflow_steps is E'@fieldName task\n@foreignFieldName stepStates\nThe step''s latest task.';
