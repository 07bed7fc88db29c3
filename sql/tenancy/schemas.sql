-- The schemas and who may look into them. A schema decides who may look, a folder of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and this list follows the caller''s rights: without a token it is almost empty.';
comment on schema app_private is 'Helpers that decide who may see what. Not granted to any role that clients can use.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema legacy is 'Views for services that were written for the legacy system, and what they keep that nobody else does.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- The rights on a table or function are in its own file.
revoke all on schema app_public, app_private, audit, legacy, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH, :JOBS;
revoke usage on schema audit from :ADMIN;
grant usage on schema audit to :OPERATOR, :RECORDER;
grant usage on schema ops to :OPERATOR, :WORKER, :JOBS;
grant usage on schema legacy to :SERVICE, :JOBS;

-- app_private is not granted to any role that clients can use. Defaults and policies name its functions by identity and need
-- no usage of it. The functions that run as :SEARCH and :JOBS use names.
grant usage on schema app_private to :SEARCH, :JOBS;

-- Every process checks before it serves whether the schema fits. The API does so as an anonymous request, which calls
-- ops.applied_migrations by its full name and so needs usage of the schema.
grant usage on schema ops to :ANON;
