-- The SHA-256 of a row `r` of audit.log, as an expression made from the catalog, so that it covers every column that the log has.
-- A column that is null leaves nothing, so a column that is added later does not change the digests of earlier rows, unless
-- somebody fills it in. Each value stands behind the length and the letters of its column's name, and behind its own length unless
-- all values of the type have the same. A jsonb is represented by the SHA-256 of its text, which is canonical, so that the row does
-- not have to fit into one value.
--
-- Only forms that no setting of the session changes: not the binary form of a text, which is in the client's encoding, nor the text
-- of a time. src/audit/row-digest.ts makes the same expression, for a verifier that does not ask the suspect how to verify.
create or replace function audit.log_digest_expression() returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_fields text;
  v_odd text;
begin
  select
    string_agg(
      format(
        'coalesce(%L::bytea || %s, '''')',
        '\x' || encode(int4send(octet_length(a.attname::text)) || convert_to(a.attname::text, 'UTF8'), 'hex'),
        format(
          case
            when a.atttypid = 'jsonb'::regtype then 'sha256(convert_to(r.%1$I::text, ''UTF8''))'
            when a.atttypid = 'timestamptz'::regtype then 'timestamptz_send(r.%1$I)'
            when a.atttypid = 'bytea'::regtype then 'int4send(octet_length(r.%1$I)) || r.%1$I'
            else 'int4send(octet_length(r.%1$I::text)) || convert_to(r.%1$I::text, ''UTF8'')'
          end,
          a.attname
        )
      ),
      ' || ' order by a.attname::text collate "C"
    ),
    min(format('%s, of type %s', a.attname, format_type(a.atttypid, null))) filter (
      where a.atttypid not in (
        'jsonb'::regtype, 'timestamptz'::regtype, 'bytea'::regtype, 'text'::regtype, 'name'::regtype, 'xid8'::regtype, 'int2'::regtype,
        'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'uuid'::regtype, 'inet'::regtype, 'numeric'::regtype, 'text[]'::regtype
      )
    )
  into strict v_fields, v_odd
  from pg_attribute a
  where a.attrelid = 'audit.log'::regclass and a.attnum > 0 and not a.attisdropped;
  if v_odd is not null then
    raise exception 'audit.log has a column without a canonical form: %', v_odd
      using errcode = 'LTA04', hint = 'audit.log_digest_expression and src/audit/row-digest.ts need a form of this type that no setting changes.';
  end if;
  return format('sha256(%s)', v_fields);
end
$$;

comment on function audit.log_digest_expression() is 'The SHA-256 of a row `r` of audit.log, as an expression. LTA04 when a column has a type without a canonical form.';
