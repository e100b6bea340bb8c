-- The logins and the database that migrations expect. Run once, as a superuser, on Postgres 18:
--   psql -v ON_ERROR_STOP=1 -f 10-aviary.sql -v owner_password=... -v app_password=...
-- In the container of compose.yaml the passwords are read from its secrets.
\if :{?owner_password}
\else
    \set owner_password `cat /run/secrets/owner_password`
    \set app_password `cat /run/secrets/app_password`
\endif

-- Owns the database and makes the roles that migrations grant: only `aviary migrate` and
-- `aviary rebuild` speak as it.
create role aviary_owner login createrole nosuperuser password :'owner_password';
-- Owns nothing and inherits nothing: each connection takes the role that its work needs.
create role aviary_app login noinherit nosuperuser nocreaterole nocreatedb password :'app_password';
create database aviary owner aviary_owner;
