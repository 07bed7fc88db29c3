-- JSON holds 1e131071 in ten bytes and prints it in 131,072 characters. 5 MB of such numbers can be stored but neither read nor
-- converted to text for a drill, which fails for as long as the row exists. So the printed length of a column's numbers is
-- limited. It is measured only where `may_print_long` holds. The argument is the column's name.
create or replace function app_private.tg__refuse_long_numbers() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_length bigint;
  v_printed bigint := 0;
begin
  for v_length in
    select octet_length(n.number::text)
    from jsonb_path_query(to_jsonb(NEW) -> TG_ARGV[0], 'strict $.** ? (@.type() == "number")') n(number)
  loop
    v_printed := v_printed + v_length;
    -- Stops at the limit, so that the sender does not wait for the rest.
    if v_printed > 10000000 then
      raise exception 'the numbers of % print in more than 10,000,000 characters', TG_ARGV[0]
        using errcode = 'LTK02', hint = 'Send numbers such as 1e131071 as text.';
    end if;
  end loop;
  return NEW;
end
$$;

comment on function app_private.tg__refuse_long_numbers() is 'Trigger: refuses JSON whose numbers print in more than 10,000,000 characters, with LTK02.';
