-- Who may look into which schema, and who may call what. Rights on tables are in the policy files.

revoke all on schema app_public, app_private, audit, ops from public;
grant usage on schema app_public to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST;
grant usage on schema audit to :ADMIN, :OPERATOR;
grant usage on schema ops to :OPERATOR, :WORKER;
-- app_private is granted to nobody. Defaults and policies name its functions by identity and need no usage of it.

grant execute on function app_private.current_tenant_id(), app_private.login_tenant_id()
  to :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST;

-- Whether the schema fits is asked by every process before it serves, by the API as an anonymous request. They name the
-- function in full, so they need usage of its schema.
grant usage on schema ops to :ANON;
grant execute on function ops.applied_migrations() to :ANON, :OPERATOR, :WORKER;
-- Which tokens to refuse is asked in the same way.
grant execute on function ops.suspended_tenants() to :ANON, :OPERATOR;
grant execute on function ops.ensure_partitions(integer, integer) to :WORKER;
grant execute on function ops.create_tenant(text, text), ops.set_tenant_suspended(text, boolean) to :OPERATOR;
-- bind_login and unbind_login: the owner's only. They go with creating the login, which operators cannot.

revoke all on ops.tenants from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :WORKER, :SEARCH;
grant select on ops.tenants to :OPERATOR;
