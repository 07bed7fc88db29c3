-- The digest that is stored in place of a token. SHA-256 without a salt is enough: 32 random bytes cannot be guessed.
create or replace function app_private.token_digest(token text) returns text
language sql immutable strict parallel safe
return pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(token, 'UTF8')), 'hex');

comment on function app_private.token_digest(text) is 'SHA-256 of a token, 64 hexadecimal digits, which sessions store in its place.';
grant execute on function app_private.token_digest(text) to :SERVICE, :ADMIN;
