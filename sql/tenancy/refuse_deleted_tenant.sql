-- Refuses to let a tenant in, or to give it anything, while it is being deleted.
create or replace function app_private.refuse_deleted_tenant(tenant_id text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  if app_private.is_being_deleted(tenant_id) then
    raise exception 'tenant % is being deleted', tenant_id
      using errcode = 'LTT05', hint = 'Let the deletion end first: lightning tenant delete ' || tenant_id;
  end if;
end
$$;

comment on function app_private.refuse_deleted_tenant(text) is 'Raises LTT05 while the tenant is being deleted.';
-- No grant: the functions that manage tenants call it, as the owner.
