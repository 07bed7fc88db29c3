-- What the schemas are, and who may look into them. Schemas say who may look, folders of sql/ what something is about.

comment on schema app_public is E'Agent Lightning DB\nThe state of AI agents. Every table is confined to one tenant by row-level security, and what is listed here follows the caller''s rights: without a token there is next to nothing.';
comment on schema app_private is 'Helpers that decide who may see what. Granted to nobody who can ask anything.';
comment on schema audit is 'Who changed what: an append-only log, written by triggers in the transaction of the change.';
comment on schema ops is 'Operations across tenants: for operators and the worker.';

-- Rights on a table or a function stand in its own file.
revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;

-- app_private is granted to nobody who can ask anything. Defaults and policies name its functions by identity and need no
-- usage of it; the functions that run as :SEARCH name theirs.
grant usage on schema app_private to :SEARCH;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request, which names
-- ops.applied_migrations in full and so needs usage of its schema.
grant usage on schema ops to :ANON;
