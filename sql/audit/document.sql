-- A row as JSON, whatever its columns hold. Some values do not fit into jsonb: json with \u0000, an infinite number, a text
-- beyond 256 MB. The log must not keep anybody from writing them, so it holds such a value as its text, and a long one as its
-- SHA-256.
create or replace function audit.document(source regclass, doc record) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_column name;
  v_value jsonb;
  v_text text;
  v_doc jsonb := '{}';
begin
  begin
    return to_jsonb(doc);
  exception
    when others then
      -- One of the values does not fit. The loop below finds out which.
  end;
  for v_column in
    select a.attname from pg_attribute a where a.attrelid = source and a.attnum > 0 and not a.attisdropped order by a.attnum
  loop
    begin
      execute format('select to_jsonb((($1::text)::%s).%I)', source, v_column) into v_value using doc;
    exception
      when others then
        execute format('select ((($1::text)::%s).%I)::text', source, v_column) into v_text using doc;
        v_value := to_jsonb(
          case
            when octet_length(v_text) <= 1000000 then v_text
            else 'sha256:' || encode(sha256(convert_to(v_text, 'UTF8')), 'hex')
          end
        );
    end;
    v_doc := v_doc || jsonb_build_object(v_column, v_value);
  end loop;
  return v_doc;
end
$$;

comment on function audit.document(regclass, record) is 'A row as JSON; values that jsonb cannot hold as their texts.';
