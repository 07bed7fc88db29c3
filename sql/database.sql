-- What a database needs from an administrator before the first migration: the extension, and who may connect and create.
-- `lightning setup` runs this file in the new database after roles.sql, graphile-migrate after each reset of a shadow
-- database. It can be run again.

create extension if not exists vector with schema public;

-- Any client that connects finds the tables by their bare names.
alter database ":DATABASE_NAME" set search_path to app_public, public;

revoke all on database ":DATABASE_NAME" from public;
-- The migrations' schemas, and graphile-worker's.
grant create on database ":DATABASE_NAME" to :OWNER, :WORKER;
grant connect on database ":DATABASE_NAME" to :OWNER, :ANALYST, :OPERATOR, :WORKER;
