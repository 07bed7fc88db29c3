-- Whatever the door: functions, tables, the worker and imports store embeddings that a search can compare
-- (app_private.comparable_embedding). A definer, because requests have no usage of app_private. It reads NEW alone.
create or replace function app_private.tg_knowledge__comparable_embedding() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  NEW.embedding := app_private.comparable_embedding(NEW.embedding);
  return NEW;
end
$$;

comment on function app_private.tg_knowledge__comparable_embedding() is 'Trigger: refuses an embedding of zeros with LTS02, and brings one that is too short or too long to be compared to length 1.';
