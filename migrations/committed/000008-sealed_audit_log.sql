--! Previous: sha1:d63dbb4170aec4c9bbb633b4b27d3960107be595
--! Hash: sha1:a1654fabc7deb3fba8e7e8fd7714968ce75cfd84
--! Message: sealed_audit_log

-- The index leads the worker through the log in the order in which rows are sealed. Building it locks each partition against
-- writers for about a second per million rows.
create index log_transaction_id_id_idx on audit.log (transaction_id, id);

create table audit.seals (
  number bigint not null,
  kind text not null,
  id_floor bigint not null,
  from_transaction_id xid8 not null,
  from_id bigint not null,
  to_transaction_id xid8 not null,
  to_id bigint not null,
  max_id bigint not null,
  row_count bigint not null,
  total_rows bigint not null,
  digest bytea not null,
  removed_month timestamptz,
  removed_partition text,
  sealed_at timestamptz not null,
  version text not null,
  previous bytea not null,
  hash bytea not null,
  constraint seals_pkey primary key (number),
  constraint seals_kind_check check (kind in ('rows', 'removal'))
);

create index seals_id_floor_idx on audit.seals (id_floor);

create table audit.seal_parts (
  number bigint not null,
  month timestamptz not null,
  row_count bigint not null,
  digest bytea not null,
  ids bigint[],
  leaves bytea,
  constraint seal_parts_pkey primary key (number, month)
);
-- Digests do not compress.
alter table audit.seal_parts alter column leaves set storage external;
create index seal_parts_month_idx on audit.seal_parts (month);

create table audit.sealing (
  only_row boolean not null default true,
  seen_xmax xid8 not null default '0',
  seen_at timestamptz not null default now(),
  sealed_through timestamptz not null default now(),
  constraint sealing_pkey primary key (only_row),
  constraint sealing_only_row_check check (only_row)
);
insert into audit.sealing default values;

--! Included audit/tg__refuse_seal_change.sql
-- Keeps the chain as it was written. Whoever may alter the table can still disable this trigger: such a change is found by
-- audit.verify, and by the heads that have left the database. A part may lose its list of rows once its partition was removed by
-- retention.
create or replace function audit.tg__refuse_seal_change() returns trigger
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if TG_OP = 'UPDATE' and TG_RELID = 'audit.seal_parts'::regclass then
    if NEW.ids is null and NEW.leaves is null
      and (NEW.number, NEW.month, NEW.row_count, NEW.digest) = (OLD.number, OLD.month, OLD.row_count, OLD.digest)
      and exists (select from audit.seals s where s.kind = 'removal' and s.removed_month = OLD.month)
    then
      return NEW;
    end if;
  end if;
  raise exception 'a seal of the audit log is never changed'
    using errcode = 'LTA03', hint = 'Seals are made by ops.seal_audit_log, and stay.';
end
$$;

comment on function audit.tg__refuse_seal_change() is 'Trigger: refuses to change the chain of the audit log (LTA03).';
--! EndIncluded audit/tg__refuse_seal_change.sql
--! Included audit/seals.sql
comment on table audit.seals is 'The chain that seals the audit log: each link holds the digest of a stretch of rows and the hash of the link before it.';
comment on column audit.seals.number is 'Counts from 1, without gaps.';
comment on column audit.seals.kind is 'rows: it seals rows. removal: it records that retention removed a partition.';
comment on column audit.seals.id_floor is 'The rows of the stretch have greater ids. It grows when transactions are counted anew: a dump was restored into another server.';
comment on column audit.seals.from_transaction_id is 'The stretch begins after the row with this transaction and from_id.';
comment on column audit.seals.from_id is 'See from_transaction_id.';
comment on column audit.seals.to_transaction_id is 'The stretch ends with the row with this transaction and to_id.';
comment on column audit.seals.to_id is 'See to_transaction_id.';
comment on column audit.seals.max_id is 'The greatest id of the stretch.';
comment on column audit.seals.row_count is 'How many rows were sealed, or removed with the partition.';
comment on column audit.seals.total_rows is 'How many rows all links up to this one have sealed.';
comment on column audit.seals.digest is 'SHA-256 over the months, row counts and digests of its parts; of a removal, over the digests of all parts of the month.';
comment on column audit.seals.removed_month is 'The month (UTC) whose partition was removed.';
comment on column audit.seals.removed_partition is 'The name that the partition had.';
comment on column audit.seals.sealed_at is 'When it was made.';
comment on column audit.seals.version is 'The release that made it.';
comment on column audit.seals.previous is 'The hash of the link before it; 32 zero bytes for the first.';
comment on column audit.seals.hash is 'SHA-256 over all other columns (audit.seal_hash).';

alter table audit.seals enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, who may not change or delete. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seals;
create policy select_owner on audit.seals for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seals;
create policy insert_owner on audit.seals for insert to :OWNER
  with check (true);

-- Operators read the chain.
drop policy if exists select_operator on audit.seals;
create policy select_operator on audit.seals for select to :OPERATOR
  using (true);

create or replace trigger _200_refuse_change before update or delete on audit.seals
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seals
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seals from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on audit.seals to :OPERATOR;
-- No insert, update or delete for anybody: ops.seal_audit_log appends, and nothing changes a link.
-- Exempt from audit: it seals the audit log.
--! EndIncluded audit/seals.sql
--! Included audit/seal_parts.sql
comment on table audit.seal_parts is 'What a link of audit.seals says about the rows of one month. The lists of rows serve to name the row when a digest does not match.';
comment on column audit.seal_parts.number is 'The link.';
comment on column audit.seal_parts.month is 'The month (UTC) in which the rows have their `at`: a partition of the log.';
comment on column audit.seal_parts.row_count is 'How many rows of the stretch are of this month.';
comment on column audit.seal_parts.digest is 'SHA-256 over the ids and the SHA-256 of the rows, in the order of the log.';
comment on column audit.seal_parts.ids is 'The ids of the rows, in the order of the log; null once the partition was removed.';
comment on column audit.seal_parts.leaves is 'The first 16 bytes of the SHA-256 of each row, in the same order; null once the partition was removed.';

alter table audit.seal_parts enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log appends as the owner, and retention takes the lists away. It holds digests and nothing of a tenant.
drop policy if exists select_owner on audit.seal_parts;
create policy select_owner on audit.seal_parts for select to :OWNER
  using (true);
drop policy if exists insert_owner on audit.seal_parts;
create policy insert_owner on audit.seal_parts for insert to :OWNER
  with check (true);
drop policy if exists update_owner on audit.seal_parts;
create policy update_owner on audit.seal_parts for update to :OWNER
  using (true)
  with check (true);

create or replace trigger _200_refuse_change before update or delete on audit.seal_parts
  for each row execute function audit.tg__refuse_seal_change();
create or replace trigger _200_refuse_truncate before truncate on audit.seal_parts
  for each statement execute function audit.tg__refuse_seal_change();

revoke all on audit.seal_parts from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: ops.seal_audit_log appends.
-- Exempt from audit: it seals the audit log.
--! EndIncluded audit/seal_parts.sql
--! Included audit/sealing.sql
comment on table audit.sealing is 'How far the sealing of the audit log has come: one row, whose lock the sealer holds.';
comment on column audit.sealing.only_row is 'Always true.';
comment on column audit.sealing.seen_xmax is 'The first transaction that had not begun to write when the sealer last noted the time.';
comment on column audit.sealing.seen_at is 'When that was.';
comment on column audit.sealing.sealed_through is 'Everything that was written before this moment is sealed.';

alter table audit.sealing enable row level security, force row level security;

-- Across tenants

-- ops.seal_audit_log keeps it as the owner. It holds nothing of a tenant.
drop policy if exists manage_owner on audit.sealing;
create policy manage_owner on audit.sealing for all to :OWNER
  using (true)
  with check (true);

revoke all on audit.sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
-- No grant to anybody: ops.seal_audit_log keeps it, and ops.check_sealing tells of it.
-- Exempt from audit: it is a mark of the sealer.
--! EndIncluded audit/sealing.sql
--! Included audit/log.sql
comment on table audit.log is 'One row per changed row (or per statement, for tables exempt from detail). Partitioned by month.';
comment on column audit.log.id is 'Orders the rows of the same moment.';
comment on column audit.log.at is 'When the transaction began.';
comment on column audit.log.transaction_id is 'The transaction that made the change.';
comment on column audit.log.tenant_id is 'Whose data it was: the row''s tenant_id. Null for a truncate, which hits all.';
comment on column audit.log.table_name is 'The table, with its schema, under its name of that time; the partition if the statement named one.';
comment on column audit.log.operation is 'insert, update, delete or truncate.';
comment on column audit.log.row_count is '1 for a row of detail, the number of rows for a summary.';
comment on column audit.log.key is 'The row''s primary key; null in a summary.';
comment on column audit.log.old_values is 'The values before: the whole row of a delete, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.new_values is 'The values after: the whole row of an insert, the changed columns of an update. Secrets and embeddings as sha256:<hex>.';
comment on column audit.log.subject is 'The verified token''s subject; null for a direct login.';
comment on column audit.log.login is 'The login of the connection.';
comment on column audit.log.role is 'The role that the statement ran under.';
comment on column audit.log.request_id is 'The API request, as in its X-Request-Id header.';

alter table audit.log enable row level security, force row level security;

-- A tenant's administrators read its log.
drop policy if exists select_tenant on audit.log;
create policy select_tenant on audit.log for select to :ADMIN
  using (tenant_id = (select app_private.current_tenant_id()));

-- A truncate hits all tenants and belongs to none: operators see it.
drop policy if exists select_truncations on audit.log;
create policy select_truncations on audit.log for select to :OPERATOR
  using (operation = 'truncate');

-- Across tenants

-- The audit triggers write as the owner, for every tenant.
drop policy if exists insert_owner on audit.log;
create policy insert_owner on audit.log for insert to :OWNER
  with check (true);

-- ops.seal_audit_log reads every row that it seals, as the owner, and audit.verify reads it again.
drop policy if exists select_owner on audit.log;
create policy select_owner on audit.log for select to :OWNER
  using (true);

revoke all on audit.log from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on audit.log to :ADMIN, :OPERATOR;
-- No insert, update or delete for anybody: the triggers write as the owner, who may insert and read, and nothing else.
--! EndIncluded audit/log.sql
--! Included audit/log_digest_expression.sql
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
--! EndIncluded audit/log_digest_expression.sql
--! Included audit/seal_hash.sql
-- The hash of a link: SHA-256 over all of its other columns. Texts stand behind their lengths, everything else has a fixed length.
create or replace function audit.seal_hash(s audit.seals) returns bytea
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
return sha256(
  (s).previous || int8send((s).number)
  || int4send(octet_length((s).kind)) || convert_to((s).kind, 'UTF8')
  || int8send((s).id_floor)
  || xid8send((s).from_transaction_id) || int8send((s).from_id)
  || xid8send((s).to_transaction_id) || int8send((s).to_id) || int8send((s).max_id)
  || int8send((s).row_count) || int8send((s).total_rows) || (s).digest
  || timestamptz_send(coalesce((s).removed_month, '-infinity'))
  || int4send(octet_length(coalesce((s).removed_partition, ''))) || convert_to(coalesce((s).removed_partition, ''), 'UTF8')
  || timestamptz_send((s).sealed_at)
  || int4send(octet_length((s).version)) || convert_to((s).version, 'UTF8')
);

comment on function audit.seal_hash(audit.seals) is 'The hash of a link of the chain, over all of its other columns.';
--! EndIncluded audit/seal_hash.sql
--! Included audit/seal_audit_log.sql
-- Seals the next closed stretch of the audit log: up to most_rows rows, 32 MB of values at most, as one link of the chain. Returns
-- the new head; no row when nothing waits to be sealed. The worker calls it until then.
--
-- A row may be sealed once its transaction is below the oldest that still runs (the xmin of a snapshot). Why no row can come in
-- later between those that are sealed: a row has the id of its top-level transaction, whichever subtransaction wrote it
-- (pg_current_xact_id), and a snapshot's xmin is the oldest id of a transaction that has neither committed nor rolled back. A
-- prepared transaction counts as running until it is committed or rolled back, so its id, too, keeps xmin from passing. So below
-- xmin every transaction has ended, its rows are visible or never will be, and the rows below xmin in the order of (transaction_id,
-- id) are final. A transaction that began long ago and wrote first just now has a new id, and its rows stand at the end, whatever
-- their `at`. Nothing waits for anything: while an old transaction stays open, later rows stay unsealed, and ops.check_sealing
-- names it.
--
-- The counter of transactions begins anew when a dump is restored into another server. Then the log has rows of transactions
-- that this server has not reached: no snapshot sees a row of this server's own with such an id. Their ids (the sequence comes with
-- the dump) are lower than any that this server gives. The rest of them are sealed first, being final; the rows above their
-- greatest id are ordered anew, under an id_floor.
--
-- Definer: nobody writes the chain by hand, and the owner may read the log of all tenants.
create or replace function ops.seal_audit_log(version text, most_rows integer default 10000)
returns table (number bigint, hash text, at timestamptz, rows bigint)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_lowest constant bigint := -9223372036854775808;
  v_xmin xid8;
  v_xmax xid8;
  v_head audit.seals;
  v_last audit.seals;
  v_seal audit.seals;
  v_floor bigint;
  v_ceiling bigint;
  v_below xid8;
begin
  if most_rows not between 1 and 20000 or version is null or octet_length(version) not between 1 and 64 then
    raise exception 'a seal takes 1 to 20000 rows and a version of 1 to 64 bytes'
      using errcode = 'LTA05';
  end if;
  -- One sealer at a time. A row, and not an advisory lock, which anybody can hold.
  perform from audit.sealing g where g.only_row for update;
  select s.* into v_head from audit.seals s order by s.number desc limit 1;
  select s.* into v_last from audit.seals s where s.kind = 'rows' order by s.number desc limit 1;
  v_floor := coalesce(v_last.id_floor, v_lowest);
  select pg_snapshot_xmin(c), pg_snapshot_xmax(c) into v_xmin, v_xmax from pg_current_snapshot() c;

  v_seal.from_transaction_id := coalesce(v_last.to_transaction_id, '0');
  v_seal.from_id := coalesce(v_last.to_id, v_lowest);
  v_below := v_xmin;
  -- In one statement, whose snapshot is that of pg_current_snapshot.
  select max(r.id) into v_ceiling
  from audit.log r
  where r.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()) and r.id > v_floor
    and r.transaction_id is distinct from pg_current_xact_id_if_assigned();
  if v_ceiling is not null then
    v_ceiling := greatest(v_ceiling, (select max(s.max_id) from audit.seals s where s.id_floor = v_floor));
    v_below := null;
    if not exists (
      select
      from audit.log r
      where (r.transaction_id, r.id) > (v_seal.from_transaction_id, v_seal.from_id) and r.id > v_floor and r.id <= v_ceiling
    ) then
      v_floor := v_ceiling;
      v_ceiling := null;
      v_seal.from_transaction_id := '0';
      v_seal.from_id := v_lowest;
      v_below := v_xmin;
    end if;
  end if;

  select e.transaction_id, e.id into v_seal.to_transaction_id, v_seal.to_id
  from (
    select
      q.transaction_id, q.id,
      row_number() over (order by q.transaction_id, q.id) as n,
      sum(q.bytes) over (order by q.transaction_id, q.id) as bytes
    from (
      select r.transaction_id, r.id, coalesce(pg_column_size(r.old_values), 0) + coalesce(pg_column_size(r.new_values), 0) as bytes
      from audit.log r
      where (r.transaction_id, r.id) > (v_seal.from_transaction_id, v_seal.from_id)
        and (v_below is null or r.transaction_id < v_below)
        and r.id > v_floor and (v_ceiling is null or r.id <= v_ceiling)
      order by r.transaction_id, r.id
      limit most_rows
    ) q
  ) e
  where e.n = 1 or e.bytes <= 33554432
  order by e.transaction_id desc, e.id desc
  limit 1;

  if not found then
    -- All below xmin is sealed: what was written before the noted moment, once every transaction of then has ended.
    update audit.sealing g
    set
      sealed_through = case when g.seen_xmax <= v_xmin then g.seen_at else g.sealed_through end,
      seen_xmax = case when g.seen_xmax <= v_xmin then v_xmax else g.seen_xmax end,
      seen_at = case when g.seen_xmax <= v_xmin then clock_timestamp() else g.seen_at end;
    return;
  end if;

  v_seal.number := coalesce(v_head.number, 0) + 1;
  execute format(
    $query$
      insert into audit.seal_parts (number, month, row_count, digest, ids, leaves)
      select
        $1, d.month, count(*),
        sha256(string_agg(int8send(d.id) || d.digest, ''::bytea order by d.transaction_id, d.id)),
        array_agg(d.id order by d.transaction_id, d.id),
        string_agg(substr(d.digest, 1, 16), ''::bytea order by d.transaction_id, d.id)
      from (
        select r.id, r.transaction_id, date_trunc('month', r.at, 'UTC') as month, %s as digest
        from audit.log r
        where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
          and r.id > $6 and ($7 is null or r.id <= $7)
      ) d
      group by d.month
    $query$,
    audit.log_digest_expression()
  )
  using
    v_seal.number, v_seal.from_transaction_id, v_seal.from_id, v_seal.to_transaction_id, v_seal.to_id, v_floor, v_ceiling;

  v_seal.kind := 'rows';
  v_seal.id_floor := v_floor;
  select
    sum(p.row_count), max(m.id),
    sha256(string_agg(timestamptz_send(p.month) || int8send(p.row_count) || p.digest, ''::bytea order by p.month))
  into strict v_seal.row_count, v_seal.max_id, v_seal.digest
  from audit.seal_parts p
  cross join lateral (select max(i.id) as id from unnest(p.ids) i(id)) m
  where p.number = v_seal.number;
  v_seal.total_rows := coalesce(v_head.total_rows, 0) + v_seal.row_count;
  v_seal.sealed_at := clock_timestamp();
  v_seal.version := seal_audit_log.version;
  v_seal.previous := coalesce(v_head.hash, decode(repeat('00', 32), 'hex'));
  v_seal.hash := audit.seal_hash(v_seal);
  insert into audit.seals select (v_seal).*;
  return query select v_seal.number, encode(v_seal.hash, 'hex'), v_seal.sealed_at, v_seal.total_rows;
end
$$;

comment on function ops.seal_audit_log(text, integer) is 'Seals the next closed stretch of the audit log. Returns the new head of the chain; no row when nothing waits. LTA05 when the size or the version is not valid.';
grant execute on function ops.seal_audit_log(text, integer) to :WORKER;
--! EndIncluded audit/seal_audit_log.sql
--! Included audit/audit_head.sql
-- The newest link of the chain, in the form of an anchor: what leaves the database. Definer: the chain is read by nobody but
-- operators, and a head says nothing of a tenant.
create or replace function ops.audit_head() returns table (number bigint, hash text, at timestamptz, rows bigint)
language sql stable security definer
set search_path to pg_catalog, pg_temp
rows 1
begin atomic
  select s.number, encode(s.hash, 'hex'), s.sealed_at, s.total_rows
  from audit.seals s
  order by s.number desc
  limit 1;
end;

comment on function ops.audit_head() is 'The head of the chain that seals the audit log: number, hash, when, and how many rows are sealed.';
grant execute on function ops.audit_head() to :OPERATOR, :WORKER;
--! EndIncluded audit/audit_head.sql
--! Included audit/found_parts.sql
-- What a link says about each month, beside what the log holds in its stretch now. `sound`: both are the same, or the partition
-- was removed by retention and nothing of it is there. `same_rows`: the rows have the digest that was sealed, whatever their list says.
create or replace function audit.found_parts(s audit.seals)
returns table (month timestamptz, sealed_rows bigint, found_rows bigint, same_rows boolean, sound boolean)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query execute format(
    $query$
      select
        coalesce(p.month, f.month), coalesce(p.row_count, 0), coalesce(f.row_count, 0), coalesce(p.digest = f.digest, false),
        case
          when p.month is null then false
          when x.removed then f.month is null
          else coalesce(p.digest = f.digest and p.ids = f.ids and p.leaves = f.leaves, false)
        end
      from (select * from audit.seal_parts p where p.number = $1) p
      full join (
        select
          d.month, count(*) as row_count,
          sha256(string_agg(int8send(d.id) || d.digest, ''::bytea order by d.transaction_id, d.id)) as digest,
          array_agg(d.id order by d.transaction_id, d.id) as ids,
          string_agg(substr(d.digest, 1, 16), ''::bytea order by d.transaction_id, d.id) as leaves
        from (
          select r.id, r.transaction_id, date_trunc('month', r.at, 'UTC') as month, %s as digest
          from audit.log r
          where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
            and r.id > $6 and ($7 is null or r.id <= $7)
        ) d
        group by d.month
      ) f on f.month = p.month
      cross join lateral (
        select exists (
          select from audit.seals x
          where x.kind = 'removal' and x.number > $1 and x.removed_month = coalesce(p.month, f.month)
        ) as removed
      ) x
      order by 1
    $query$,
    audit.log_digest_expression()
  )
  using
    (s).number, (s).from_transaction_id, (s).from_id, (s).to_transaction_id, (s).to_id, (s).id_floor,
    (select min(n.id_floor) from audit.seals n where n.id_floor > (s).id_floor);
end
$$;

comment on function audit.found_parts(audit.seals) is 'What a link of the chain says about each month, beside what the log holds there now.';
--! EndIncluded audit/found_parts.sql
--! Included audit/first_difference.sql
-- The first row of a month in the stretch of a link that differs from what was sealed: kind `altered`, `removed` or `slipped in`.
-- A row that was removed is known by its id alone. No row when the lists of both agree.
create or replace function audit.first_difference(s audit.seals, month timestamptz)
returns table (kind text, partition text, id bigint, at timestamptz, table_name text, key jsonb)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query execute format(
    $query$
      with sealed as (
        select i.id, i.position, substr(p.leaves, (16 * (i.position - 1) + 1)::integer, 16) as leaf
        from audit.seal_parts p cross join unnest(p.ids) with ordinality i(id, position)
        where p.number = $1 and p.month = $8
      ),
      found as (
        select
          r.id, r.transaction_id, r.at, r.table_name, r.key, r.tableoid::regclass::text as partition, substr(%s, 1, 16) as leaf
        from audit.log r
        where (r.transaction_id, r.id) > ($2, $3) and (r.transaction_id, r.id) <= ($4, $5)
          and r.id > $6 and ($7 is null or r.id <= $7)
          and r.at >= $8 and r.at < ($8 at time zone 'UTC' + interval '1 month') at time zone 'UTC'
      ),
      placed as (
        select
          f.*, s.position, s.leaf as sealed_leaf,
          coalesce(s.position, max(s.position) over (order by f.transaction_id, f.id), 0) as place
        from found f left join sealed s on s.id = f.id
      )
      select d.kind, d.partition, d.id, d.at, d.table_name, d.key
      from (
        select
          case when p.position is null then 'slipped in' else 'altered' end as kind, p.partition, p.id, p.at, p.table_name, p.key,
          p.place, p.transaction_id
        from placed p
        where p.sealed_leaf is distinct from p.leaf
        union all
        select 'removed', null, s.id, null, null, null, s.position, null
        from sealed s
        where not exists (select from found f where f.id = s.id)
      ) d
      order by d.place, d.kind = 'slipped in', d.transaction_id, d.id
      limit 1
    $query$,
    audit.log_digest_expression()
  )
  using
    (s).number, (s).from_transaction_id, (s).from_id, (s).to_transaction_id, (s).to_id, (s).id_floor,
    (select min(n.id_floor) from audit.seals n where n.id_floor > (s).id_floor), month;
end
$$;

comment on function audit.first_difference(audit.seals, timestamptz) is 'The first row in the stretch of a link that was altered, removed or slipped in.';
--! EndIncluded audit/first_difference.sql
--! Included audit/verify.sql
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
--! EndIncluded audit/verify.sql
--! Included audit/sealed_through.sql
-- Up to when the audit log is sealed. Definer: audit.sealing is the sealer's own.
create or replace function ops.sealed_through() returns timestamptz
language sql stable security definer
set search_path to pg_catalog, pg_temp
begin atomic
  select g.sealed_through from audit.sealing g;
end;

comment on function ops.sealed_through() is 'The moment up to which everything that was written is sealed.';
-- The view ops.check_sealing.
grant execute on function ops.sealed_through() to :OPERATOR, :WORKER;
--! EndIncluded audit/sealed_through.sql
--! Included audit/check_sealing.sql
-- Sealing of the audit log that is behind: something that was written more than ten minutes ago is not sealed, and so nothing
-- proves it yet. When the workers start they get that time anew; without a worker nothing could be sealed. An old transaction that has written keeps it back; the message names the oldest (those of other sessions only to
-- who may read all statistics).
create or replace view ops.check_sealing with (security_barrier) as
select
  'audit.log'::text as subject,
  case when s.behind > interval '1 hour' then 'error' else 'warning' end as severity,
  format(
    'the audit log is sealed up to %s; %s', to_char(s.sealed_through at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    coalesce(o.held_by, 'look for seal_audit_log in the runs of jobs')
  ) as message,
  jsonb_build_object('sealed_through', s.sealed_through) as details
from (
  select g.sealed_through, clock_timestamp() - greatest(g.sealed_through, w.working_since) as behind
  from ops.sealed_through() g(sealed_through)
  cross join (
    select min(w.started_at) as working_since from ops.workers w where w.stopped_at is null and w.lost_at is null
  ) w
  where w.working_since is not null
) s
left join lateral (
  select h.held_by from (
    select
      format('the transaction of %s in %s (process %s) has been open since %s', a.usename, a.datname, a.pid, to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) as held_by,
      a.xact_start as since
    from pg_stat_activity a
    where a.backend_xid is not null and a.xact_start < clock_timestamp() - interval '5 minutes'
    union all
    select format('the prepared transaction %L of %s waits to be committed since %s', p.gid, p.owner, to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), p.prepared
    from pg_prepared_xacts p
    where p.prepared < clock_timestamp() - interval '5 minutes'
  ) h
  order by h.since
  limit 1
) o on true
where s.behind > interval '10 minutes';

comment on view ops.check_sealing is 'A check of ops.check_alerts. Sealing of the audit log that is behind.';
comment on column ops.check_sealing.subject is 'What it is about.';
comment on column ops.check_sealing.severity is 'warning or error.';
comment on column ops.check_sealing.message is 'What is wrong, in a sentence.';
comment on column ops.check_sealing.details is 'The same as JSON, for programs.';

revoke all on ops.check_sealing from public, :ANON, :MEMBER, :SERVICE, :ADMIN, :ANALYST, :OPERATOR, :WORKER, :SEARCH;
grant select on ops.check_sealing to :OPERATOR, :WORKER;
--! EndIncluded audit/check_sealing.sql
