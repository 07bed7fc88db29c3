-- Refuses to delete a tenant of whose data a hold keeps a part, and names the hold. A hold on the data of all tenants counts.
create or replace function app_private.refuse_held_tenant(tenant_id text) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_hold ops.retention_holds;
begin
  select h.* into v_hold
  from ops.retention_holds h
  where h.tenant_id is null or h.tenant_id = refuse_held_tenant.tenant_id
  order by h.id
  limit 1;
  if found then
    raise exception 'hold % keeps data of % of tenant %: %', v_hold.id, v_hold.policy, refuse_held_tenant.tenant_id, v_hold.reason
      using errcode = 'LTT06', hint = format('Remove the hold first: delete from ops.retention_holds where id = %s', v_hold.id);
  end if;
end
$$;

comment on function app_private.refuse_held_tenant(text) is 'Raises LTT06 while a hold keeps data of the tenant.';
-- No grant: the functions that delete a tenant call it, as the owner.
