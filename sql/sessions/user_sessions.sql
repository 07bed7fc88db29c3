-- What may be seen of sessions: no token and no data. Runs with the owner's rights, so that nobody needs any on the table
-- for it, and the owner's policy lets session look-ups see all tenants: it is the view that confines to the caller's, and a
-- barrier keeps a caller's functions from seeing rows before that.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at, s.role
from app_public.sessions s
where s.tenant_id = (select app_private.current_tenant_id());
