-- What may be seen of sessions: no token and no data. Runs with the owner's rights, so that nobody needs
-- any on the table for it; the owner's policy on sessions confines it to the caller's tenant, and a barrier keeps a
-- caller's functions from seeing rows before that.
create or replace view app_public.user_sessions with (security_barrier) as
select s.tenant_id, s.id, s.user_id, s.expires_at, s.created_at
from app_public.sessions s;
