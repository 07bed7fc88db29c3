-- A new key: `ltk_`, the id by which it is found, `_`, 32 random bytes, and the first six characters of the digest of all that.
-- The last six let the API refuse a mistyped or made-up key without a question to the database. The bytes come from random UUIDs,
-- each 122 bits of the system's generator, folded by SHA-256.
create or replace function app_private.new_api_token() returns text
language sql volatile
set search_path to pg_catalog, pg_temp
as $$
  select b.body || substr(translate(encode(sha256(convert_to(b.body, 'UTF8')), 'base64'), '+/', '-_'), 1, 6)
  from (
    select 'ltk_' || substr(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 1, 12) || '_' || translate(
      rtrim(
        encode(
          sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'
        ),
        '='
      ),
      '+/', '-_'
    ) as body
  ) b
$$;

comment on function app_private.new_api_token() is 'A new key of 256 random bits, with its id and a checksum.';
