import type { RestOptions } from '../../../src/rest/options.ts';
import type { Asked } from './library-database.ts';

/**
 * A request, and the expected statement, in which `page_count` to `cursor` are left out where they have their usual
 * form.
 */
export interface Golden extends Asked {
  readonly options?: Partial<RestOptions>;
  readonly text: string;
  readonly values: readonly unknown[];
}

const page = 'null::bigint as total_count, count(*) as page_count';
const rest = [
  `nullif(current_setting('response.headers', true), '') as response_headers`,
  `nullif(current_setting('response.status', true), '') as response_status`,
  'null::text[] as location',
  'null::bigint as inserted_count',
  'null::text as cursor',
].join(', ');
const newSoFar = `coalesce(nullif(current_setting('lightning.inserted', true), ''), '0')::bigint`;
const array = `coalesce(json_agg("lightning_page".*), '[]')::text as body`;

/** A few of each kind, so that a change in the SQL that is sent to Postgres shows in a review. */
export const golden: readonly Golden[] = [
  {
    line: 'GET /authors?id=eq.1',
    text: `select ${page}, ${array}, ${rest} from (select "library"."authors".* from "library"."authors" where "library"."authors"."id" = $1) as "lightning_page"`,
    values: ['1'],
  },
  {
    line: 'GET /authors?select=id,details:name->>k&order=name->>k.desc&limit=5&offset=10&or=(id.in.(1,2),not.and(name.like.A*,id.not.is.null))',
    text: `select ${page}, ${array}, ${rest} from (select "library"."authors"."id", to_jsonb("library"."authors"."name")->>$1 as "details" from "library"."authors" where ("library"."authors"."id" = any($2) or not ("library"."authors"."name" like $3 and not "library"."authors"."id" is null)) order by to_jsonb("library"."authors"."name")->>$1 desc limit 5 offset $4) as "lightning_page"`,
    values: ['k', '{"1","2"}', 'A%', '10'],
  },
  {
    line: 'GET /authors?select=id,books!inner(id)&books.pages=gt.1&limit=5',
    headers: { prefer: 'count=exact' },
    text: `select (select count(*) from (select from "library"."authors" where exists (select from "library"."books" as "books_1" where "books_1"."pages" > $1 and "books_1"."author_id" = "library"."authors"."id")) as counted) as total_count, count(*) as page_count, ${array}, ${rest} from (select "library"."authors"."id", coalesce("authors_books_1"."authors_books_1", '[]') as "books" from "library"."authors" inner join lateral (select json_agg("authors_books_1".*)::jsonb as "authors_books_1" from (select "books_1"."id" from "library"."books" as "books_1" where "books_1"."pages" > $2 and "books_1"."author_id" = "library"."authors"."id") as "authors_books_1") as "authors_books_1" on "authors_books_1"."authors_books_1" is not null limit 5) as "lightning_page"`,
    values: ['1', '1'],
  },
  {
    line: 'POST /stock?select=sku',
    headers: { prefer: 'return=representation, resolution=merge-duplicates' },
    body: '[{"sku":"a","place":"x"}]',
    text: `with "lightning_source" as (insert into "library"."stock" ("place", "sku") select "pgrst_body"."place", "pgrst_body"."sku" from json_to_recordset($1::json) as "pgrst_body"("place" text, "sku" text) where set_config('lightning.inserted', (${newSoFar} + 1)::text, true) <> '' on conflict ("sku", "place") do update set "place" = excluded."place", "sku" = excluded."sku" where set_config('lightning.inserted', (${newSoFar} - 1)::text, true) <> '' returning "library"."stock"."place", "library"."stock"."sku") select ${page}, ${array}, ${rest.replace('null::bigint', newSoFar)} from (select "stock"."sku" from "lightning_source" as "stock") as "lightning_page"`,
    values: ['[{"sku":"a","place":"x"}]'],
  },
  {
    line: 'DELETE /authors?id=eq.1',
    text: `with "lightning_source" as (delete from "library"."authors" where "library"."authors"."id" = $1 returning 1) select ${page}, null::text as body, ${rest} from "lightning_source" as "lightning_page"`,
    values: ['1'],
  },
  {
    line: 'GET /rpc/books_of?author=1&select=id&pages=gt.2',
    text: `with "lightning_source" as (select "pgrst_call"."id", "pgrst_call"."pages" from "library"."books_of"("author" => $1::integer) as "pgrst_call") select ${page}, ${array}, ${rest} from (select "books"."id" from "lightning_source" as "books" where "books"."pages" > $2) as "lightning_page"`,
    values: ['1', '2'],
  },
  {
    line: 'POST /rpc/books_of',
    body: '{"author":1}',
    text: `with "lightning_source" as (select "pgrst_call".* from (select "author" from json_to_record($1::json) as _("author" integer) limit 1) as "pgrst_body", lateral "library"."books_of"("author" => "pgrst_body"."author") as "pgrst_call") select ${page}, ${array}, ${rest} from (select "books".* from "lightning_source" as "books") as "lightning_page"`,
    values: ['{"author":1}'],
  },
];
