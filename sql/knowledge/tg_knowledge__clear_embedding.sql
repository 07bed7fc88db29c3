-- An embedding belongs to the content that it was computed from. When the content changes without a new embedding, the old one
-- goes and the embedding job makes another: a stale embedding would find the item by what it no longer says.
create or replace function app_private.tg_knowledge__clear_embedding() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.embedding_error := null;
  if OLD.embedding operator(public.=) NEW.embedding then
    NEW.embedding := null;
  end if;
  return NEW;
end
$$;

comment on function app_private.tg_knowledge__clear_embedding() is 'Trigger: removes the embedding of content that changed without a new one.';
