create or replace function app_public.add_knowledge_items(items jsonb) returns setof app_public.knowledge
language plpgsql volatile security invoker
set search_path to pg_catalog, pg_temp
as $$
declare
  v_position integer;
  v_reason text;
begin
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) not between 1 and 10000 then
    raise exception 'items must be a JSON array of 1 to 10000 objects, not %', case
        when jsonb_typeof(items) = 'array' then format('an array of %s', jsonb_array_length(items))
        else coalesce(jsonb_typeof(items), 'null')
      end
      using errcode = 'LTS16';
  end if;

  -- Finds the first invalid item, its position and the reason. The table's own constraints apply as well.
  select i.position - 1, r.reason into v_position, v_reason
  from jsonb_array_elements(items) with ordinality i(item, position)
  cross join lateral (
    select case
      when jsonb_typeof(i.item) <> 'object' then 'it must be an object, not ' || jsonb_typeof(i.item)
      when exists (
        select from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      ) then (
        select 'unknown field ' || min(key)
        from jsonb_object_keys(i.item) key
        where key not in ('id', 'agent_id', 'category', 'content', 'source', 'metadata', 'embedding')
      )
      when jsonb_typeof(i.item -> 'content') is distinct from 'string' or btrim(i.item ->> 'content') = ''
        then 'content must be a non-blank string'
      when exists (
        select from jsonb_each(i.item) field
        where field.key in ('id', 'agent_id', 'category', 'source') and jsonb_typeof(field.value) not in ('string', 'null')
      ) then 'id, agent_id, category and source must be strings'
      when length(i.item ->> 'id') not between 1 and 100 then 'id must have 1 to 100 characters'
      when length(i.item ->> 'agent_id') > 50 then 'agent_id must have at most 50 characters'
      when length(i.item ->> 'category') > 50 then 'category must have at most 50 characters'
      when jsonb_typeof(i.item -> 'metadata') not in ('object', 'null') then 'metadata must be an object'
      when coalesce(jsonb_typeof(i.item -> 'embedding'), 'null') = 'null' then null
      when jsonb_typeof(i.item -> 'embedding') <> 'array' then 'embedding must be an array'
      when jsonb_array_length(i.item -> 'embedding') <> 1536
        then 'embedding must have 1536 dimensions, not ' || jsonb_array_length(i.item -> 'embedding')
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@.type() != "number")') then 'embedding must contain only numbers'
      when jsonb_path_exists(i.item, '$.embedding[*] ? (@ > 3.4028235e38 || @ < -3.4028235e38)')
        then 'embedding must contain only numbers from -3.4028235e38 to 3.4028235e38'
      -- Half of the smallest number of single precision: what is nearer to zero becomes zero.
      when not jsonb_path_exists(i.item, '$.embedding[*] ? (@ > 7.0064923216240854e-46 || @ < -7.0064923216240854e-46)')
        then 'embedding must not be all zeros'
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

items: an array of 1 to 10000 objects with content and, optionally, id, agent_id, category, source, metadata, embedding.

Returns the items.

Errors: LTS16 items is not an array, is empty or is too long; LTS17 an item is invalid: the message has its position, counted from 0, and the reason; 23505 an item with the same id exists; 23503 the agent does not exist.$$;
grant execute on function app_public.add_knowledge_items(jsonb) to :MEMBER, :SERVICE, :ADMIN;
