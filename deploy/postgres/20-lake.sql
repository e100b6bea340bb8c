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
-- Reads it, for the API. Neither may connect to the log's database.
create role aviary_lake_reader login noinherit nosuperuser nocreaterole nocreatedb
    password :'lake_reader_password';
create database lake owner aviary_lake connection limit 40;
revoke connect on database lake from public;
grant connect on database lake to aviary_lake_reader;
revoke connect on database aviary from public;
grant connect on database aviary to aviary_app;
