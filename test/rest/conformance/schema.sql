-- The schema of the REST conformance suite: a film archive. A superuser runs it on an empty database, embedded or server.
-- Nothing here belongs to the product; every object is here because a chapter of PostgREST's documentation needs it.

do $roles$
declare
  v_role text;
begin
  foreach v_role in array array['conf_anon', 'conf_member', 'conf_curator', 'conf_serial', 'conf Größe'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I nologin', v_role);
    end if;
  end loop;
end
$roles$;
alter role conf_member set statement_timeout to '7s';
alter role conf_curator set log_min_error_statement to 'panic';
alter role conf_serial set default_transaction_isolation to 'serializable';

create schema cinema;
comment on schema cinema is $$Film archive

Films, the people who made them, and where their prints are kept.$$;
create schema stage;
create schema "Über uns";
create schema private;
create schema ext;

set search_path to cinema;

-- People and films ----------------------------------------------------------------------------------------------------

create table directors (
  id int primary key,
  first_name text not null,
  last_name text not null,
  born date
);
insert into directors values
  (1, 'Agnès', 'Varda', '1928-05-30'),
  (2, 'Akira', 'Kurosawa', '1910-03-23'),
  (3, 'Lotte', 'Reiniger', '1899-06-02'),
  (4, 'Ida', 'Lupino', '1918-02-04');

create table films (
  id int primary key,
  title text not null,
  year int,
  rating numeric(3, 1),
  director_id int references directors,
  language text,
  tags text[],
  details jsonb
);
comment on table films is $$A film

What was shot, not what was kept of it.$$;
comment on column films.rating is 'From 0 to 10.';
insert into films values
  (1, 'Cléo from 5 to 7', 1962, 7.9, 1, 'French', '{drama,paris}', '{"runtime": 90, "crew": {"camera": "Rabier", "sound": null}, "reels": [1, 2, 3]}'),
  (2, 'Vagabond', 1985, 7.7, 1, 'French', '{drama}', '{"runtime": 105, "crew": {"camera": "Blossier"}, "reels": [1, 2]}'),
  (3, 'Ran', 1985, 8.2, 2, 'Japanese', '{drama,war}', '{"runtime": 160, "crew": {"camera": "Saito"}, "reels": [1, 2, 3, 4]}'),
  (4, 'Ikiru', 1952, 8.3, 2, 'Japanese', '{}', '{"runtime": 143, "crew": {"camera": "Nakai"}, "reels": []}'),
  (5, 'The Adventures of Prince Achmed', 1926, 7.7, 3, 'German', '{animation,silhouette}', null),
  (6, 'Lost Reel', null, null, null, null, null, null);

create table technical_specs (film_id int primary key references films, camera text, runtime time);
insert into technical_specs values (1, 'Cameflex', '01:30'), (3, 'Panavision', '02:40'), (5, 'Rostrum', '01:05');

create table posters (id int primary key, film_id int unique references films, file text);
insert into posters values (1, 3, 'ran.png'), (2, 1, 'cleo.png'), (3, null, 'unknown.png');

create table plots (film_id int primary key references films, body text, words tsvector);
insert into plots
select film_id, body, to_tsvector('english', body)
from (values
  (1, 'A singer waits for the result of a test in Paris'),
  (2, 'A drifter is found frozen in a ditch'),
  (3, 'An ageing warlord divides his kingdoms'),
  (4, 'A bureaucrat learns that he is dying'),
  (5, 'A prince flies on an enchanted horse')
) v (film_id, body);

create table actors (id int primary key, first_name text, last_name text);
insert into actors values
  (1, 'Corinne', 'Marchand'), (2, 'Sandrine', 'Bonnaire'), (3, 'Tatsuya', 'Nakadai'), (4, 'Takashi', 'Shimura'), (5, 'Bibi', 'Andersson');

create table roles (
  film_id int references films,
  actor_id int references actors,
  character text,
  primary key (film_id, actor_id)
);
insert into roles values (1, 1, 'Cléo'), (2, 2, 'Mona'), (3, 3, 'Hidetora'), (3, 4, 'Herald'), (4, 4, 'Watanabe');

create table competitions (id int primary key, name text, year int);
insert into competitions values (1, 'Cannes', 1962), (2, 'Venice', 1985), (3, 'Berlin', 1954);

create table nominations (
  competition_id int references competitions,
  film_id int references films,
  rank int,
  primary key (competition_id, film_id)
);
insert into nominations values (1, 1, 2), (2, 2, 1), (2, 3, 3), (3, 4, 1);

-- Two foreign keys between the same tables, two junctions between the same tables, composite keys, self references --------

create table vaults (id int primary key, name text);
insert into vaults values (1, 'Paris'), (2, 'Tokyo');

create table prints (
  id int primary key,
  label text,
  origin_vault_id int,
  current_vault_id int,
  constraint origin foreign key (origin_vault_id) references vaults,
  constraint whereabouts foreign key (current_vault_id) references vaults
);
insert into prints values (1, 'Ran 35mm', 2, 1), (2, 'Cléo 16mm', 1, 1), (3, 'Ikiru nitrate', 2, null);

create table critics (id int primary key, name text);
insert into critics values (1, 'Pauline'), (2, 'Roger'), (3, 'Serge');

create table reviews (critic_id int references critics, film_id int references films, stars int, primary key (critic_id, film_id));
insert into reviews values (1, 1, 5), (1, 3, 4), (2, 3, 5);

create table favourites (critic_id int references critics, film_id int references films, primary key (critic_id, film_id));
insert into favourites values (2, 1), (3, 4);

create table follows (follower_id int references critics, followed_id int references critics, primary key (follower_id, followed_id));
insert into follows values (1, 2), (3, 2), (2, 1);

create function followers(critics) returns setof critics stable language sql
as $$ select c.* from critics c join follows f on f.follower_id = c.id where f.followed_id = $1.id order by c.id $$;
create function following(critics) returns setof critics stable language sql
as $$ select c.* from critics c join follows f on f.followed_id = c.id where f.follower_id = $1.id order by c.id $$;

create table screens (house text, number int, seats int, primary key (house, number));
insert into screens values ('REX', 1, 2700), ('REX', 2, 300), ('LUX', 1, 120);

create table screenings (
  id int primary key,
  house text,
  screen_number int,
  film_id int references films,
  starts timestamptz,
  constraint screening_screen foreign key (house, screen_number) references screens
);
insert into screenings values
  (1, 'REX', 1, 3, '2026-01-01T20:00:00Z'), (2, 'REX', 2, 1, '2026-01-02T18:30:00Z'), (3, 'LUX', 1, 3, '2026-01-03T21:15:00Z'),
  (4, null, null, 4, null);

create table crew (id int primary key, name text, chief_id int references crew);
insert into crew values (1, 'Ana', null), (2, 'Ben', 1), (3, 'Cho', 1), (4, 'Dee', 2);
create function chief(crew) returns setof crew rows 1 stable language sql as $$ select * from crew where id = $1.chief_id $$;
create function assistants(crew) returns setof crew stable language sql as $$ select * from crew where chief_id = $1.id order by id $$;

create table remakes (id int primary key, title text, original_id int unique references remakes);
insert into remakes values (1, 'Yojimbo', null), (2, 'A Fistful of Dollars', 1), (3, 'Last Man Standing', 2);
create function original(remakes) returns setof remakes rows 1 stable language sql as $$ select * from remakes where id = $1.original_id $$;
create function successor(remakes) returns setof remakes rows 1 stable language sql as $$ select * from remakes where original_id = $1.id $$;

-- Relationships that functions make --------------------------------------------------------------------------------------

create table premieres (id int primary key, place text, day date, film_id int);
insert into premieres values (1, 'Cannes', '1962-04-11', 1), (2, 'Tokyo', '1985-06-01', 3), (3, 'Paris', '1985-12-04', 2), (4, 'Nowhere', null, null);
create function film(premieres) returns setof films rows 1 stable language sql as $$ select * from films where id = $1.film_id $$;
create function premieres(films) returns setof premieres stable language sql as $$ select * from premieres where film_id = $1.id $$;

create table postcards (id int primary key, caption text, director_id int references directors);
insert into postcards values (1, 'Sète', 1), (2, 'Kyoto', 2);
-- Overrides the foreign key: every postcard leads to Lupino.
create function directors(postcards) returns setof directors rows 1 stable language sql as $$ select * from directors where id = 4 $$;

-- Computed fields ----------------------------------------------------------------------------------------------------------

create function decade(films) returns int stable language sql as $$ select $1.year / 10 * 10 $$;
create function title_year(films) returns text stable language sql as $$ select $1.title || ' (' || $1.year || ')' $$;
create function ext.title_upper(films) returns text stable language sql as $$ select upper($1.title) $$;
create function full_name(directors) returns text stable language sql as $$ select $1.first_name || ' ' || $1.last_name $$;
create function full_name(actors) returns text stable language sql as $$ select $1.first_name || ' ' || $1.last_name $$;

-- Partitions ---------------------------------------------------------------------------------------------------------------

create table box_office (
  day date not null,
  film_id int not null references films,
  gross numeric(12, 2) not null,
  primary key (day, film_id)
) partition by range (day);
create table box_office_1985 partition of box_office for values from ('1985-01-01') to ('1986-01-01');
create table box_office_1986 partition of box_office for values from ('1986-01-01') to ('1987-01-01');
insert into box_office values ('1985-06-01', 3, 1000.50), ('1985-12-04', 2, 500.25), ('1986-01-01', 3, 250.00);

-- Views --------------------------------------------------------------------------------------------------------------------

create view recent_films as select id, title, year, director_id from films where year >= 1980;
create view silent_era as select id, title, year from films where year < 1950 with check option;
create view film_titles as select id as film_no, title as name, director_id as maker_id from films;
create view nominations_view as
  select films.title as film_title, competitions.name as competition_name, nominations.rank,
    nominations.film_id as nominated_film_id, films.id as film_id
  from nominations
  join films on films.id = nominations.film_id
  join competitions on competitions.id = nominations.competition_id;
create view box_office_days as select day, film_id, gross from box_office;
create view ext.film_base as select id, title, director_id from films;
create view film_chain as select id, title, director_id from ext.film_base;
create materialized view directors_m as select id, last_name from directors;
create view film_counts as select director_id, count(*) as films from films group by director_id;
create view loose_films as select title, year from films;

create table private.archive_items (id int primary key, label text, film_id int references films);
insert into private.archive_items values (1, 'can 1', 3), (2, 'can 2', 3), (3, 'script', 1);
create view archive as select id, label, film_id from private.archive_items;

create sequence call_count;
create view call_counter as select nextval('cinema.call_count') as calls;
create view broken_subquery as select (select n from generate_series(1, 2) n) as n;

-- A view that only an instead-of trigger makes insertable.
create view title_desk as select id, title || '' as title from films;
create function tg_title_desk__insert() returns trigger language plpgsql
as $$ begin insert into films (id, title) values (new.id, new.title); return new; end $$;
create trigger _100_insert instead of insert on title_desk for each row execute function tg_title_desk__insert();

-- Tables for writes -------------------------------------------------------------------------------------------------------

create table notes (
  id int primary key generated by default as identity (start with 100),
  body text not null,
  stars int default 3 check (stars between 1 and 5),
  added date default '2026-01-01',
  loud text generated always as (upper(body)) stored
);
insert into notes (id, body, stars, added) values (1, 'first', 5, '2025-01-01'), (2, 'second', 3, '2025-02-02'), (3, 'third', null, '2025-03-03');

create table labels (name text primary key, colour text default 'white', uses int default 0);
insert into labels values ('drama', 'red', 3), ('war', 'grey', 1);

create table members (id int primary key default 9, email text unique not null, name text);
insert into members values (1, 'ana@example.org', 'Ana'), (2, 'ben@example.org', 'Ben');

create table numbered (id int primary key generated always as identity, note text);

create table loose (a text, b text);
insert into loose values ('1', 'x'), ('2', 'y'), ('3', null);

create table stamped (id int primary key, note text);
create function tg_stamped__headers() returns trigger language plpgsql
as $$ begin perform set_config('response.headers', '[{"X-Stamp": "inked"}]', true); return new; end $$;
create trigger _100_headers before insert on stamped for each row execute function tg_stamped__headers();

create table pledges (id int primary key, note text unique deferrable initially deferred);
insert into pledges values (1, 'a');

-- Enough rows for the planner to want an index.
create table few (id int primary key, label text);
insert into few select n, 'label ' || n from generate_series(1, 2000) n;
create table many (n int primary key, text text, few_id int references few);
insert into many select n, repeat('x', 100), 1 + n % 2000 from generate_series(1, 5000) n;

-- Types --------------------------------------------------------------------------------------------------------------------

create type mood as enum ('calm', 'tense', 'wild');
create type point_2d as (x int, y int);
create domain short_text as varchar(5);

create table specimens (
  id int primary key,
  flag boolean,
  small smallint,
  big bigint,
  ratio double precision,
  amount numeric,
  label varchar(10),
  code char(3),
  day date,
  at timestamptz,
  local_at timestamp,
  span interval,
  key uuid,
  bytes bytea,
  nums int[],
  words text[],
  grid int[][],
  period daterange,
  spot point_2d,
  mood mood,
  doc json,
  docb jsonb,
  short short_text,
  numbers int4range
);
insert into specimens values
  (1, true, 7, 9007199254740993, 0.5, 12.340, 'label', 'abc', '2026-02-03', '2026-02-03T04:05:06Z', '2026-02-03T04:05:06', '1 day 02:03:04',
   '846c4ffd-92ce-4de7-8d11-8e29929f4ec4', '\x00ff0a', '{1,2,3}', '{"a b","c,d",e}', '{{1,2},{3,4}}', '[2026-01-01,2026-02-01)', '(3,4)', 'tense',
   '{"a": {"b": [10, 20]}}', '{"a": {"b": [10, 20]}, "k-e y": 1, "n": null}', 'brief', '[1,10)'),
  (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
  (3, false, -1, 1, -2.25, 100, 'Other', 'xyz', '2025-12-31', '2025-12-31T23:59:59+02', '2025-12-31T23:59:59', '5 minutes',
   '00000000-0000-0000-0000-000000000000', '\x', '{}', '{x}', '{}', '[2026-03-01,2026-04-01)', '(-1,0)', 'calm',
   '{"a": 5}', '{"a": 5}', 'x', '[10,20)');

create table moments (t timestamptz primary key);
insert into moments values ('2026-06-01T12:00:00Z'), ('2026-06-01T18:30:00Z');

-- Domain representations: 7 is shown as "S-0007" and given as "S-7" ----------------------------------------------------------

create domain shelf_mark as int;
create function shelf_mark_json(shelf_mark) returns json immutable language sql
as $$ select to_json('S-' || lpad($1::int::text, 4, '0')) $$;
create function shelf_mark_read(text) returns shelf_mark immutable language sql
as $$ select substring($1 from '^S-(\d+)$')::int::shelf_mark $$;
create function shelf_mark_parse(json) returns shelf_mark immutable language sql
as $$ select shelf_mark_read($1 #>> '{}') $$;
create cast (shelf_mark as json) with function shelf_mark_json(shelf_mark) as implicit;
create cast (text as shelf_mark) with function shelf_mark_read(text) as implicit;
create cast (json as shelf_mark) with function shelf_mark_parse(json) as implicit;

-- A domain without casts of its own is shown and accepted as its base type.
create domain plain_mark as int;

create table shelves (mark shelf_mark primary key, room text, plain plain_mark);
insert into shelves values (7, 'east', 70), (12, 'west', 120);
create table boxes (id int primary key, shelf_mark shelf_mark references shelves, label text);
insert into boxes values (1, 7, 'stills'), (2, 12, 'letters'), (3, null, 'empty');
create view shelves_view as select mark, room from shelves;

-- Names --------------------------------------------------------------------------------------------------------------------

create table "Größe & Ort" (
  id int primary key,
  "Länge (cm)" int,
  "select" text,
  "with ""quotes""" text,
  "a.b" text,
  "x:y" text,
  "order" int,
  "semi;colon" text,
  "back\slash" text
);
insert into "Größe & Ort" values (1, 10, 's1', 'q1', 'd1', 'c1', 5, 'sc1', 'bs1'), (2, 20, 's2', 'q2', 'd2', 'c2', 4, 'sc2', 'bs2');
create table "موارد" (id int primary key, "اسم" text);
insert into "موارد" values (1, 'واحد');
create table "t23456789_123456789_123456789_123456789_123456789_123456789_123" (
  "c23456789_123456789_123456789_123456789_123456789_123456789_123" int primary key,
  parent int references "t23456789_123456789_123456789_123456789_123456789_123456789_123"
);
insert into "t23456789_123456789_123456789_123456789_123456789_123456789_123" values (1, null), (2, 1);
create table "group" (id int primary key, "user" text);
insert into "group" values (1, 'reserved');
create table marks (id int primary key, name text);
insert into marks values (1, 'Hebdon,John'), (2, 'Quote:"'), (3, 'Backslash:\'), (4, '100%'), (5, '(parens)'), (6, 'dot.ted'), (7, ' spaced '), (8, 'a*b'), (9, '');

-- Privileges ---------------------------------------------------------------------------------------------------------------

create table contracts (id int primary key, terms text);
insert into contracts values (1, 'secret');
create table inbox (id int primary key, message text);
create table wages (id int primary key, name text, wage int);
insert into wages values (1, 'Ana', 100), (2, 'Ben', 90);
create table diary (id int primary key, owner text not null, entry text);
insert into diary values (1, 'ana@example.org', 'mine'), (2, 'ben@example.org', 'his');
alter table diary enable row level security;
create policy own on diary using (owner = current_setting('request.jwt.claims', true)::json ->> 'email');

-- Privileges on some columns only.
create table partial (id int primary key default 1, open text, closed text);
insert into partial values (5, 'o', 'c');

-- Functions ----------------------------------------------------------------------------------------------------------------

create view notes_view as select id, body, stars from notes;

create function add(a int, b int) returns int immutable language sql as $$ select a + b $$;
comment on function add(int, int) is $$Adds

Two whole numbers.$$;
create function greet(name text default 'guest') returns text stable language sql as $$ select 'Hello ' || name || '!' $$;
create function all_films() returns setof films stable language sql as $$ select * from films order by id $$;
create function films_of(y int) returns setof films stable language sql as $$ select * from films where year = y order by id $$;
create function film_by_id(film int) returns films stable language sql as $$ select * from films where id = film $$;
create function film_names() returns setof text stable language sql as $$ select title from films where year is not null order by year, id $$;
create function film_stats() returns table (year int, films bigint) stable language sql
as $$ select year, count(*) from films where year is not null group by year order by year $$;
create function a_point() returns point_2d immutable language sql as $$ select row(10, 5)::point_2d $$;
create function points() returns setof point_2d immutable language sql as $$ select row(n, -n)::point_2d from generate_series(1, 2) n $$;
create function extremes(numbers int[], out lowest int, out highest int) immutable language sql
as $$ select min(n), max(n) from unnest(numbers) n $$;
create function doubled(inout n int) immutable language sql as $$ select n * 2 $$;
create function nothing() returns void language sql as $$ select $$;
create function nothing_at_all() returns int immutable language sql as $$ select null::int $$;
create function all_many() returns setof many stable language sql as $$ select * from many $$;
create function no_films() returns setof films stable language sql as $$ select * from films where false $$;
create function no_film() returns films stable language sql as $$ select * from films where false $$;
create function records() returns setof record stable language sql as $$ select id, name from vaults order by id $$;
create function a_record() returns record stable language sql as $$ select 1 as one, 'two'::text as two $$;
create function sum_all(variadic numbers int[]) returns int immutable language sql as $$ select sum(n)::int from unnest(numbers) n $$;
create function plus_one(arr int[]) returns int[] immutable language sql as $$ select array_agg(n + 1) from unnest(arr) n $$;
create function first_mood() returns mood immutable language sql as $$ select 'calm'::mood $$;
create function a_date() returns date immutable language sql as $$ select '2026-02-03'::date $$;
create function a_document() returns jsonb immutable language sql as $$ select '{"a": [1, null]}'::jsonb $$;
create function shout(body varchar(3)) returns text immutable language sql as $$ select upper(body) $$;
create function keep(body char(3)) returns text immutable language sql as $$ select body::text || '.' $$;
create function json_length(items json) returns int immutable language sql as $$ select json_array_length(items) $$;
create function "Mixed Case"("Some Param" text) returns text immutable language sql as $$ select "Some Param" $$;
create function many_defaults(a int, b int default 2, c int default 3) returns int[] immutable language sql as $$ select array[a, b, c] $$;

create function multiply(json) returns int immutable language sql as $$ select ($1 ->> 'x')::int * ($1 ->> 'y')::int $$;
create function json_type(jsonb) returns text immutable language sql as $$ select jsonb_typeof($1) $$;
create function text_length(text) returns int immutable language sql as $$ select length($1) $$;
create function byte_length(bytea) returns int immutable language sql as $$ select length($1) $$;
create function xml_root(xml) returns text immutable language sql as $$ select (regexp_match($1::text, '<(\w+)'))[1] $$;
create function two_unnamed(int, int) returns int immutable language sql as $$ select $1 + $2 $$;

create function price(film int) returns text immutable language sql as $$ select 'by film' $$;
create function price(film int, currency text) returns text immutable language sql as $$ select 'in ' || currency $$;
create function clash(value int) returns text immutable language sql as $$ select 'int' $$;
create function clash(value text) returns text immutable language sql as $$ select 'text' $$;
create function store(a int) returns text immutable language sql as $$ select 'named' $$;
create function store(json) returns text immutable language sql as $$ select 'whole' $$;

create function rename_film(film int, new_title text) returns setof films language sql
as $$ update films set title = new_title where id = film returning * $$;
create function drop_labels() returns setof labels language sql as $$ delete from labels returning * $$;
create function lying_stable() returns void stable language plpgsql as $$ begin insert into labels values ('liar'); end $$;
create function count_up() returns bigint volatile language sql as $$ select nextval('cinema.call_count') $$;

create function isolation() returns text stable language sql as $$ select current_setting('transaction_isolation') $$;
create function isolation_set() returns text stable language sql set default_transaction_isolation to 'repeatable read'
as $$ select current_setting('transaction_isolation') $$;
create function timeout() returns text stable language sql as $$ select current_setting('statement_timeout') $$;
create function setting(name text) returns text stable language sql as $$ select current_setting(name, true) $$;
create function claims() returns json stable language sql as $$ select current_setting('request.jwt.claims', true)::json $$;
create function header(name text) returns text stable language sql as $$ select current_setting('request.headers', true)::json ->> name $$;
create function cookie(name text) returns text stable language sql as $$ select current_setting('request.cookies', true)::json ->> name $$;
create function who() returns text stable language sql as $$ select current_user::text $$;
create function path_first() returns text stable language sql as $$ select (current_schemas(false))[1]::text $$;
create function read_only() returns text volatile language sql as $$ select current_setting('transaction_read_only') $$;
create function read_only_stable() returns text stable language sql as $$ select current_setting('transaction_read_only') $$;
create function slow() returns text language sql set statement_timeout to '9s' as $$ select current_setting('statement_timeout') $$;

create function fail() returns void language plpgsql
as $$ begin raise exception 'I refuse!' using detail = 'Pretty simple', hint = 'There is nothing you can do.'; end $$;
create function fail_stable() returns void stable language plpgsql as $$ begin raise exception 'No.'; end $$;
create function pay() returns void stable language plpgsql
as $$ begin raise sqlstate 'PT402' using message = 'Payment Required', detail = 'Quota exceeded', hint = 'Upgrade your plan'; end $$;
create function raise_code(code text) returns void stable language plpgsql
as $$ begin raise exception 'raised' using errcode = code; end $$;
create function raise_whole(message text, detail text default null) returns void stable language plpgsql
as $$ begin
  if detail is null then
    raise sqlstate 'PGRST' using message = raise_whole.message;
  else
    raise sqlstate 'PGRST' using message = raise_whole.message, detail = raise_whole.detail;
  end if;
end $$;
create function forbidden() returns void stable language plpgsql as $$ begin raise insufficient_privilege; end $$;
create function teapot() returns json stable language plpgsql
as $$ begin perform set_config('response.status', '418', true); return json_build_object('message', 'short and stout'); end $$;
create function with_headers(headers text) returns text stable language plpgsql
as $$ begin perform set_config('response.headers', headers, true); return 'done'; end $$;
create function with_status(status text) returns text stable language plpgsql
as $$ begin perform set_config('response.status', status, true); return 'done'; end $$;
create function members_only() returns text stable language sql as $$ select 'welcome' $$;
revoke execute on function members_only() from public;

create function check_request() returns void stable language plpgsql
as $$ begin
  perform set_config('response.headers', '[{"X-Pre-Request": "seen"}]', true);
  if current_setting('request.headers', true)::json ->> 'x-evil' is not null then
    raise exception 'No, you are evil' using hint = 'Stop being so evil and maybe you can log in';
  end if;
end $$;
create function root() returns json immutable language sql as $$ select '{"swagger": "2.0", "info": {"title": "Overridden"}}'::json $$;

-- Media types of its own ---------------------------------------------------------------------------------------------------

create domain "image/png" as bytea;
create domain "text/html" as text;
create domain "text/csv" as text;
create domain "text/tab-separated-values" as text;
create domain "application/vnd.film.titles" as text;
create domain "text/xml" as xml;
create domain "*/*" as bytea;

create function badge() returns "image/png" immutable language sql as $$ select '\x89504e47'::bytea $$;
create function page(name text) returns "text/html" immutable language sql as $$ select ('<h1>' || name || '</h1>')::"text/html" $$;
create function catalogue() returns "text/xml" immutable language sql as $$ select '<films/>'::xml $$;
create function anything() returns "*/*" stable language plpgsql
as $$
declare
  v_accept text := current_setting('request.headers', true)::json ->> 'accept';
begin
  if v_accept = 'application/unwanted' then
    raise sqlstate 'PT415' using message = 'Unsupported Media Type';
  elsif v_accept = 'text/xml' then
    perform set_config('response.headers', '[{"Content-Type": "text/xml"}]', true);
  end if;
  return 'anything'::bytea;
end $$;

create function titles_line(state "application/vnd.film.titles", next films) returns "application/vnd.film.titles" immutable language sql
as $$ select (state || next.title || E'\n')::"application/vnd.film.titles" $$;
create aggregate titles_agg (films) (initcond = '', stype = "application/vnd.film.titles", sfunc = titles_line);

create function tsv_line(state "text/tab-separated-values", next anyelement) returns "text/tab-separated-values" stable language sql
as $$ select (state || coalesce((select string_agg(coalesce(value, ''), E'\t') from json_each_text(to_json(next))), '') || E'\n')::"text/tab-separated-values" $$;
create aggregate tsv_agg (anyelement) (initcond = '', stype = "text/tab-separated-values", sfunc = tsv_line);

create function labels_csv_line(state text, next labels) returns "text/csv" immutable language sql
as $$ select (state || next.name || ';' || next.colour || E'\n')::"text/csv" $$;
create function labels_csv_end(data "text/csv") returns "text/csv" volatile language plpgsql
as $$ begin
  perform set_config('response.headers', '[{"Content-Disposition": "attachment; filename=\"labels.csv\""}]', true);
  return E'name;colour\n' || data;
end $$;
create aggregate labels_csv_agg (labels) (initcond = '', stype = "text/csv", sfunc = labels_csv_line, finalfunc = labels_csv_end);

create view "labels.xml" as select name, colour from labels;
create function labels_xml_line(state "*/*", next "labels.xml") returns "*/*" immutable language sql
as $$ select (state || convert_to(xmlelement(name label, next.name)::text || E'\n', 'UTF8'))::"*/*" $$;
create function labels_xml_end(data "*/*") returns "*/*" volatile language plpgsql
as $$ begin perform set_config('response.headers', '[{"Content-Type": "text/xml"}]', true); return data; end $$;
create aggregate labels_xml_agg ("labels.xml") (initcond = '', stype = "*/*", sfunc = labels_xml_line, finalfunc = labels_xml_end);

-- Further schemas ----------------------------------------------------------------------------------------------------------

create table stage.plays (id int primary key, title text);
insert into stage.plays values (1, 'Phèdre'), (2, 'Woyzeck');
create table stage.films (id int primary key, title text);
insert into stage.films values (1, 'A film of a play');
create function stage.where_am_i() returns text stable language sql as $$ select (current_schemas(false))[1]::text $$;
create function stage.greet(name text) returns text stable language sql as $$ select 'Bravo ' || name $$;
-- A foreign key from one exposed schema to another.
create function on_stage(vaults) returns setof stage.plays stable language sql as $$ select * from stage.plays where id = $1.id $$;
create table "Über uns"."Leute" (id int primary key, name text);
insert into "Über uns"."Leute" values (1, 'Jürgen');
create table private.hidden (id int primary key);

-- Grants: anonymous requests may do everything except what the chapters on roles test -------------------------------------------------

grant usage on schema cinema, stage, "Über uns", ext to conf_anon, conf_member, conf_curator, conf_serial, "conf Größe";
grant select, insert, update, delete on all tables in schema cinema, stage, "Über uns" to conf_anon, conf_member, conf_serial, "conf Größe";
grant select on ext.film_base to conf_anon, conf_member;
grant usage on all sequences in schema cinema to conf_anon, conf_member;
revoke all on contracts, inbox, wages, partial from conf_anon, conf_member, conf_serial, "conf Größe";
grant select on contracts to conf_member;
grant insert on inbox to conf_anon;
grant select (id, open), insert (open), update (open) on partial to conf_anon;
grant select (id, name) on wages to conf_curator;
grant execute on function members_only() to conf_member;
revoke insert, update, delete on vaults from conf_anon;

-- Corners of the catalog, in a schema of their own: rarer objects, and those that are easily misread ------------------------

create schema corners;
set search_path to corners;

-- Foreign keys that refer to unique columns instead of the primary key.
create table makers (id int primary key, code text unique, region text, no int, unique (region, no));
insert into makers values (1, 'A', 'north', 1), (2, 'B', 'north', 2);
create table goods (
  id int primary key,
  maker_code text constraint by_code references makers (code),
  region text,
  no int,
  constraint by_place foreign key (region, no) references makers (region, no)
);
insert into goods values (1, 'A', 'north', 2), (2, 'B', 'north', 1), (3, null, 'north', null);

create view goods_cte as with g as (select * from goods) select g.id, g.maker_code from g;
create view goods_sub as select x.id, x.code from (select id, maker_code as code from goods where id > 0) x;
create view goods_union as select id, maker_code from goods where id = 1 union all select id, maker_code from goods where id > 1;
create view goods_computed as select id, upper(maker_code) as maker_code from goods;
create view goods_twice as select id, maker_code, maker_code as again from goods;
create view goods_left as select g.id, g.maker_code, m.region from goods g left join makers m on m.code = g.maker_code;
create view goods_half as select id, region from goods;
create view goods_place as select id, no as nr, region as area from goods;
create materialized view goods_stored as select id, maker_code from goods_cte;
create view goods_recursive as
  with recursive r (id, maker_code) as (
    select id, maker_code from goods where id = 1
    union all
    select g.id, g.maker_code from r join goods g on g.id = r.id + 1
  )
  select id, maker_code from r;
create view goods_lateral as
  select g.id, l.maker_code from goods g, lateral (select x.maker_code from goods x where x.id = g.id) l;
create view goods_window as select id, maker_code, row_number() over (order by id desc) as place from goods;
create view goods_distinct as select distinct on (maker_code) maker_code, id from goods order by maker_code, id;
create view goods_invoker with (security_invoker = true) as select id, maker_code from goods;
create view goods_pairs as select a.id, b.id as next, a.maker_code from goods a join goods b on b.id = a.id + 1;
create view goods_case as select id, case when id > 0 then maker_code end as maker_code from goods;
create view goods_cast as select id, maker_code::varchar(9) as maker_code from goods;
create view goods_where_in as select id, maker_code from goods where maker_code in (select code from makers);
create view goods_nested as select id, code from goods_sub where id in (select id from goods_cte);
create view makers_view as select code as c, id as i from makers;

-- A table that inherits has neither keys nor foreign keys of its own.
create table animals (id int primary key, name text, maker_id int references makers);
create table cats (lives int) inherits (animals);
insert into animals values (1, 'any', 1);
insert into cats values (2, 'cat', 1, 9);

-- A foreign key to a partitioned table.
create table logs (day date, id int, line text, primary key (day, id)) partition by range (day);
create table logs_2026 partition of logs for values from ('2026-01-01') to ('2027-01-01');
insert into logs values ('2026-01-01', 1, 'one'), ('2026-01-02', 1, 'two');
create table log_notes (id int primary key, day date, log_id int, note text, foreign key (day, log_id) references logs (day, id));
insert into log_notes values (1, '2026-01-02', 1, 'noted');

-- Junctions: with a further key column, with a key of its own, of three.
create table students (id int primary key, name text);
create table courses (id int primary key, name text);
create table rooms (id int primary key, name text);
insert into students values (1, 'Sam'), (2, 'Sue');
insert into courses values (1, 'Art'), (2, 'Law');
insert into rooms values (1, 'R1');
create table enrolments (student_id int references students, course_id int references courses, term int, primary key (student_id, course_id, term));
insert into enrolments values (1, 1, 1), (1, 1, 2), (2, 2, 1);
create table wishes (id int primary key, student_id int references students, room_id int references rooms, unique (student_id, room_id));
insert into wishes values (1, 1, 1);
create table lessons (course_id int references courses, room_id int references rooms, teacher_id int references students, primary key (course_id, room_id, teacher_id));
insert into lessons values (1, 1, 2);

-- A one-to-one relationship by a composite unique key.
create table plots (x int, y int, owner text, primary key (x, y));
create table houses (id int primary key, x int, y int, foreign key (x, y) references plots, unique (x, y));
insert into plots values (1, 1, 'Ann'), (1, 2, 'Bob');
insert into houses values (1, 1, 1);

-- Names that also mean something else.
create table thing (thing text, body text, value int, "row" text, "user" text, lightning_page text, pgrst_source text);
insert into thing values ('t', 'b', 1, 'r', 'u', 'lp', 'ps');
create table body (id int primary key, thing text);
insert into body values (1, 'x');
create table pgrst_source (id int primary key, body_id int references body);
insert into pgrst_source values (1, 1);
create table no_columns ();
create table "double""quote" (id int primary key, "col""umn" int references body);
insert into "double""quote" values (1, 1);

-- Rarer types.
create type level as enum ('low', 'high');
create domain positive as int check (value > 0);
create domain very_positive as positive check (value > 100);
create domain words as text[];
create table rare (
  id int primary key, levels level[], price money, address inet, net cidr, mac macaddr, bits bit(4), noon timetz, box box, doc xml, sure very_positive,
  list words, things int[][], span int8range, many int4multirange, name name, one "char", short char, big numeric(30, 10)
);
insert into rare values (
  1, '{low,high}', 12.5, '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '1010', '12:00:00+02', '(1,1),(0,0)', '<a/>', 101, '{a,"b c"}', '{{1},{2}}',
  '[1,5)', '{[1,3),[5,7)}', 'nm', 'c', 's', 12345678901234567890.0123456789
);

-- Computed relationships and fields in odd places.
create function ext.maker_of(goods) returns setof makers rows 1 stable language sql as $$ select * from corners.makers where code = $1.maker_code $$;
create function single_maker(goods) returns makers stable language sql as $$ select * from makers where code = $1.maker_code $$;
create function same_region(goods) returns setof makers stable language sql as $$ select * from makers where region = $1.region order by id $$;
create function label(goods) returns text stable language sql as $$ select 'good ' || $1.id $$;
create function label(goods_cte) returns text stable language sql as $$ select 'cte ' || $1.id $$;
create function goods_of(makers_view) returns setof goods stable language sql as $$ select * from goods where maker_code = $1.c $$;

-- Rarer functions.
create function named_row(g goods) returns text stable language sql as $$ select g.maker_code $$;
create procedure act() language sql as $$ select 1 $$;
create aggregate total(int) (sfunc = int4pl, stype = int);
create function tg_nothing() returns trigger language plpgsql as $$ begin return new; end $$;
create function one_column() returns table (only_one int) stable language sql as $$ select n from generate_series(1, 2) n $$;
create function a_positive(v int) returns positive immutable language sql as $$ select v::positive $$;
create function goods_named() returns setof goods stable language sql as $$ select * from goods order by id $$;
create view goods_from_function as select id, maker_code from goods_named();
create function from_view() returns setof goods_cte stable language sql as $$ select * from goods_cte order by id $$;
create function reserved("select" text, "order" text, "limit" int) returns text immutable language sql as $$ select "select" || "order" || "limit" $$;
create function kinds(i int, b boolean default false, j json default null, d date default null, l level default null, a text[] default null, p positive default null)
returns text immutable language sql as $$ select concat_ws('|', i, b, j, d, l, a, p) $$;
create function mixed(a int, variadic rest text[]) returns text immutable language sql as $$ select a || ':' || array_to_string(rest, ',') $$;
create function out_one(n int, out doubled int) immutable language sql as $$ select n * 2 $$;
create function rows_of(n int) returns setof int immutable rows 5 language sql as $$ select generate_series(1, n) $$;
create function nulls() returns setof text immutable language sql as $$ values ('a'), (null), ('b') $$;
create function good(id int) returns goods stable language sql as $$ select * from goods g where g.id = $1 $$;
create function good(code text) returns setof goods stable language sql as $$ select * from goods g where g.maker_code = $1 $$;
create function add_good(id int) returns void language sql as $$ insert into goods (id) values ($1) $$;
create function "Größe"("größe" int) returns int immutable language sql as $$ select "größe" $$;

grant usage on schema corners to conf_anon;
grant select, insert, update, delete on all tables in schema corners to conf_anon;

reset search_path;
analyze;
