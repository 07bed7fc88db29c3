create or replace function app_public.add_knowledge_items(items jsonb) returns setof app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_position integer;
  v_reason text;
begin
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 10000 then
    raise exception 'items is no JSON array of 1 to 10000 objects'
      using errcode = 'LTS16';
  end if;

  -- What is wrong with an item is said with its position; the table's own rules hold besides.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it is a JSON ' || jsonb_typeof(i.item) || ', not an object'
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'there is no field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content is missing'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source are strings'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata is no object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding is no array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding has ' || jsonb_array_length(i.item -> 'embedding') || ' dimensions; 1536 are needed'
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding holds what is no number'
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ != 0)') then 'embedding is zero throughout'
    end as reason
  ) r
  where r.reason is not null
  order by i.position
  limit 1;
  if found then
    raise exception 'item % cannot be added: %', v_position, v_reason
      using errcode = 'LTS17', hint = 'No item was added.';
  end if;

  return query
    insert into app_public.knowledge (id, agent_id, category, content, source, metadata, embedding)
    select
      coalesce(i.item ->> 'id', gen_random_uuid()::text), i.item ->> 'agent_id', i.item ->> 'category', i.item ->> 'content',
      i.item ->> 'source', case when jsonb_typeof(i.item -> 'metadata') = 'object' then i.item -> 'metadata' else '{}' end,
      (i.item ->> 'embedding')::public.vector
    from jsonb_array_elements(items) with ordinality i(item, position)
    order by i.position
    returning *;
end
$$;

comment on function app_public.add_knowledge_items(jsonb) is $$Adds many items of knowledge, all or none.

items: an array of 1 to 10000 objects with content and, where there is one, id, agent_id, category, source, metadata, embedding.

Gives the items.

Errors: LTS16 no array, or too long a one; LTS17 what is wrong with which item, counted from 0; 23505 there is one of an id; 23503 there is no such agent.$$;
grant execute on function app_public.add_knowledge_items(jsonb) to :MEMBER, :SERVICE, :ADMIN;
