-- The first invalid argument of a claim and the reason, or null. No definer, no `set`, and a body that is parsed now, so
-- that the planner inlines it: a call took a thirtieth of a claim.
create or replace function app_private.claim_problem(
  agent text,
  capabilities text[],
  filter jsonb,
  lease interval,
  how_many integer
) returns text[]
language sql stable parallel safe
return case
  when coalesce(length(agent), 0) not between 1 and 200 then array['agent', 'must have 1 to 200 characters']
  when capabilities is null then array['capabilities', 'must not be null']
  when filter is null then array['filter', 'must not be null']
  when lease is null or lease not between interval '1 second' and interval '1 day'
    then array['lease', format('%s is not between 1 second and 1 day', coalesce(lease::text, 'null'))]
  when how_many is null or how_many not between 1 and 1000
    then array['how_many', format('%s is not between 1 and 1000', coalesce(how_many::text, 'null'))]
end;

comment on function app_private.claim_problem(text, text[], jsonb, interval, integer) is 'The first invalid argument of a claim and the reason; null when all are valid.';
