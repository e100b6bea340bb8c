-- The logins and the database of the lake's catalogue. Run once, as a superuser, on Postgres 18:
--   psql -v ON_ERROR_STOP=1 -f 20-lake.sql -v lake_password=... -v lake_reader_password=...
-- In the container of compose.yaml the passwords are read from its secrets, at the first start only:
-- where the data is older, run it once by hand.
\if :{?lake_password}
\else
    \set lake_password `cat /run/secrets/lake_password`
    \set lake_reader_password `cat /run/secrets/lake_reader_password`
\endif

-- Owns the catalogue: only the lake worker and `aviary rebuild` speak as it.
create role aviary_lake login noinherit nosuperuser nocreaterole nocreatedb password :'lake_password';
-- Reads it, for the API. Neither may connect to another database.
create role aviary_lake_reader login noinherit nosuperuser nocreaterole nocreatedb
    connection limit 30 password :'lake_reader_password';
-- Its rights forbid it already; this holds where one was granted by mistake.
alter role aviary_lake_reader set default_transaction_read_only = on;
create database lake owner aviary_lake connection limit 40;
-- All: also to make temporary tables.
revoke all on database lake from public;
grant connect on database lake to aviary_lake_reader;
revoke all on database aviary from public;
grant connect on database aviary to aviary_app;
-- Every login may connect to these unless told otherwise. On a server with other logins that need
-- one of them: grant it to those.
revoke all on database postgres, template1 from public;
