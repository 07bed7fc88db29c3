create or replace function ops.expired_sessions(tenant_id text, older_than timestamptz) returns setof uuid
language sql stable
begin atomic
  select s.id
  from app_public.sessions s
  where s.tenant_id = expired_sessions.tenant_id and s.expires_at < expired_sessions.older_than
    and not ops.is_held('sessions', s.tenant_id, s.expires_at);
end;

comment on function ops.expired_sessions(text, timestamptz) is 'Sessions of a tenant that the policy sessions does not keep.';
grant execute on function ops.expired_sessions(text, timestamptz) to :JOBS;
