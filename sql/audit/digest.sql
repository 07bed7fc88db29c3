-- A row as the log keeps it. Columns named in `digested` (secrets, and large values that mean nothing to a reader) are replaced
-- by their SHA-256, which is enough to see that one changed. A column that is absent or null stays so.
create or replace function audit.digest(doc jsonb, digested text[]) returns jsonb
language sql immutable strict parallel safe
return case
  when digested = '{}' then doc
  else doc || (
    select coalesce(jsonb_object_agg(c, 'sha256:' || encode(sha256(convert_to(doc ->> c, 'UTF8')), 'hex')), '{}')
    from unnest(digested) c
    where doc ->> c is not null
  )
end;

comment on function audit.digest(jsonb, text[]) is 'The object with the named members replaced by their SHA-256.';
