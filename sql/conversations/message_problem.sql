-- Programs import what was said elsewhere: when it was said, and without a role where nobody knows it. Members speak now.
create or replace function app_private.message_problem(message jsonb, is_program boolean) returns text[]
language sql stable
return (
  select case
    when jsonb_typeof(message) <> 'object' then array['', 'must be an object']
    when message - known.names <> '{}'
      then array['.' || (select min(k) from jsonb_object_keys(message - known.names) k), 'unknown property']
    when message ->> 'role' is null and not is_program
      or message ->> 'role' not in ('system', 'developer', 'user', 'assistant', 'tool')
      then array['.role', 'must be one of system, developer, user, assistant, tool']
    when jsonb_typeof(message -> 'name') not in ('string', 'null') or length(message ->> 'name') not between 1 and 100
      then array['.name', 'must be a string of 1 to 100 characters']
    when jsonb_typeof(message -> 'content') not in ('string', 'null')
      then array['.content', 'must be a string; metadata takes parts of another kind']
    when jsonb_typeof(message -> 'tool_calls') not in ('array', 'null')
      or jsonb_path_exists(message, 'strict $.tool_calls[*] ? (@.type() != "object")', silent => true)
      then array['.tool_calls', 'must be an array of objects']
    when message ->> 'content' is null and coalesce(nullif(message -> 'tool_calls', 'null'), '[]') = '[]'
      then array['.content', 'is missing, and there are no tool_calls either']
    when jsonb_typeof(message -> 'tool_call_id') not in ('string', 'null')
      or length(message ->> 'tool_call_id') not between 1 and 200
      then array['.tool_call_id', 'must be a string of 1 to 200 characters']
    when jsonb_typeof(message -> 'input_tokens') <> 'null' and (message -> 'input_tokens') @? known.count is not true
      then array['.input_tokens', 'must be a whole number from 0 to 2147483647']
    when jsonb_typeof(message -> 'output_tokens') <> 'null' and (message -> 'output_tokens') @? known.count is not true
      then array['.output_tokens', 'must be a whole number from 0 to 2147483647']
    when jsonb_typeof(message -> 'metadata') not in ('object', 'null') then array['.metadata', 'must be an object']
    when jsonb_typeof(message -> 'id') <> 'null' and not pg_input_is_valid(message ->> 'id', 'uuid')
      then array['.id', 'must be a UUID']
    when jsonb_typeof(message -> 'created_at') <> 'null' and not is_program
      then array['.created_at', 'may be given by the roles service and admin only']
    when jsonb_typeof(message -> 'created_at') <> 'null' and not pg_input_is_valid(message ->> 'created_at', 'timestamptz')
      then array['.created_at', 'must be a timestamp']
    when not isfinite((message ->> 'created_at')::timestamptz) then array['.created_at', 'must be a finite timestamp']
  end
  from (
    values (
      array[
        'id', 'role', 'name', 'content', 'tool_calls', 'tool_call_id', 'input_tokens', 'output_tokens', 'metadata', 'created_at'
      ],
      'strict $ ? (@ >= 0 && @ <= 2147483647 && @ == @.floor())'::jsonpath
    )
  ) known(names, count)
);

comment on function app_private.message_problem(jsonb, boolean) is 'What is wrong with a message that append_messages is given: the property with a dot before it, and the reason; null: nothing.';
