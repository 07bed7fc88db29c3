-- Recomputes the chain and the rows that it seals, and names the first row that was altered, removed or slipped in. `anchor` is a
-- head that left the database, {number, hash}: without one, somebody who may write the chain can write all of it anew. Changes
-- nothing, and so runs on a replica and on a restored copy, too. It reads link by link, and needs the memory of one.
--
-- Returns {ok, seals, rows, head, problem}. Nothing sealed is not ok: an empty chain proves nothing.
-- `lightning audit verify` does the same without any function of the database, which its superuser could have replaced.
--
-- Definer: it reads the log of all tenants, and tells ids and keys of none but the row that it found.
create or replace function audit.verify(anchor jsonb default null) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_seal audit.seals;
  v_before audit.seals;
  v_part record;
  v_row record;
  v_kind text;
  v_number bigint;
  v_message text;
  v_rows bigint := 0;
  v_is_rows boolean;
  v_digest bytea;
begin
  select null::text as kind, null::text as partition, null::bigint as id, null::timestamptz as at, null::text as table_name, null::jsonb as key
  into v_row;
  for v_seal in select s.* from audit.seals s order by s.number loop
    v_number := v_seal.number;
    v_is_rows := v_seal.kind = 'rows';
    select sha256(coalesce(string_agg(
      case when v_is_rows then timestamptz_send(p.month) || int8send(p.row_count) || p.digest else p.digest end,
      ''::bytea order by p.number, p.month
    ), ''))
    into strict v_digest
    from audit.seal_parts p
    where v_is_rows and p.number = v_seal.number or not v_is_rows and p.month = v_seal.removed_month and p.number < v_seal.number;
    if v_seal.number <> coalesce(v_before.number, 0) + 1
      or v_seal.previous <> coalesce(v_before.hash, decode(repeat('00', 32), 'hex'))
      or v_seal.hash is distinct from audit.seal_hash(v_seal)
      or v_seal.total_rows <> coalesce(v_before.total_rows, 0) + v_seal.row_count * v_is_rows::integer
      or v_seal.digest <> v_digest
    then
      v_kind := 'chain';
      v_message := format('link %s of the chain does not follow from the link before it', v_seal.number);
    elsif anchor is not null and v_seal.number = (anchor ->> 'number')::bigint and encode(v_seal.hash, 'hex') <> lower(anchor ->> 'hash') then
      v_kind := 'anchor';
      v_message := format('link %s has another hash than the anchor: the chain was written anew up to there', v_seal.number);
    elsif v_is_rows then
      for v_part in select p.* from audit.found_parts(v_seal) p where not p.sound loop
        select d.* into v_row from audit.first_difference(v_seal, v_part.month) d where not v_part.same_rows;
        v_kind := coalesce(v_row.kind, 'chain');
        v_message := format(
          'link %s sealed %s rows of %s and finds %s: %s', v_seal.number, v_part.sealed_rows,
          to_char(v_part.month at time zone 'UTC', 'YYYY-MM'), v_part.found_rows,
          coalesce(format('row %s of audit.log was %s', v_row.id, v_row.kind), 'its list of rows was altered')
        );
        exit;
      end loop;
      v_rows := v_rows + v_seal.row_count;
    end if;
    exit when v_kind is not null;
    v_before := v_seal;
    if v_is_rows then
      -- Rows of a closed numbering of transactions, behind its last link.
      select 'slipped in' as kind, r.tableoid::regclass::text as partition, r.id, r.at, r.table_name, r.key into v_row
      from audit.log r
      where not exists (select from audit.seals n where n.kind = 'rows' and n.number > v_seal.number and n.id_floor = v_seal.id_floor)
        and (r.transaction_id, r.id) > (v_seal.to_transaction_id, v_seal.to_id) and r.id > v_seal.id_floor
        and r.id <= (select min(n.id_floor) from audit.seals n where n.id_floor > v_seal.id_floor)
      order by r.transaction_id, r.id
      limit 1;
      if found then
        v_kind := v_row.kind;
        v_message := format('row %s of audit.log was slipped in behind link %s', v_row.id, v_seal.number);
        exit;
      end if;
    end if;
  end loop;
  if v_kind is null and v_before.number is null then
    v_kind := 'empty';
    v_message := 'nothing is sealed, so nothing is proven';
  elsif v_kind is null and (anchor ->> 'number')::bigint > v_before.number then
    v_kind := 'anchor';
    v_number := v_before.number;
    v_message := format(
      'the chain ends at link %s, before the anchor %s: links were removed, or the database was restored to an earlier moment',
      v_before.number, anchor ->> 'number'
    );
  end if;
  return jsonb_build_object(
    'ok', v_kind is null,
    'seals', coalesce(v_before.number, 0),
    'rows', v_rows,
    'head', (select to_jsonb(h) from ops.audit_head() h),
    'problem', case
      when v_kind is not null then
        jsonb_build_object('kind', v_kind, 'seal', v_number, 'message', v_message)
        || case
          when v_row.id is null then '{}'
          else jsonb_build_object('partition', v_row.partition, 'id', v_row.id, 'at', v_row.at, 'table_name', v_row.table_name, 'key', v_row.key)
        end
    end
  );
end
$$;

comment on function audit.verify(jsonb) is 'Recomputes the chain of the audit log and names the first row that was altered, removed or slipped in. `anchor` is a head that left the database: {number, hash}. Returns {ok, seals, rows, head, problem}.';
-- Operators, who learn the key of a row that was tampered with, and no value.
grant execute on function audit.verify(jsonb) to :OPERATOR;
