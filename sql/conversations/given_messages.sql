-- No `set`, so that the planner inlines it. A count may be written as 5.0, which is not an integer's text.
create or replace function app_private.given_messages(messages jsonb) returns table (
  "position" bigint,
  id uuid,
  role text,
  name text,
  content text,
  tool_calls jsonb,
  tool_call_id text,
  input_tokens integer,
  output_tokens integer,
  metadata jsonb,
  created_at timestamptz
)
language sql stable
begin atomic
  select
    m."position", m.id, m.role, m.name, m.content, m.tool_calls, m.tool_call_id, m.input_tokens::integer,
    m.output_tokens::integer, coalesce(m.metadata, '{}'), m.created_at
  from rows from (
    jsonb_to_recordset(given_messages.messages) as (
      id uuid, role text, name text, content text, tool_calls jsonb, tool_call_id text, input_tokens numeric,
      output_tokens numeric, metadata jsonb, created_at timestamptz
    )
  ) with ordinality m(
    id, role, name, content, tool_calls, tool_call_id, input_tokens, output_tokens, metadata, created_at, "position"
  );
end;

comment on function app_private.given_messages(jsonb) is 'The messages of a call of append_messages as rows, in which app_private.message_problem found nothing wrong. Position counts from 1.';
