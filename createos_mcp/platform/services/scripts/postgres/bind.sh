# A role for one binding; what it makes belongs to the role that all bindings share.
exec psql -q -v ON_ERROR_STOP=1 << 'SQL'
\getenv role ROLE
\getenv password PASSWORD
DROP ROLE IF EXISTS :"role";
CREATE ROLE :"role" LOGIN PASSWORD :'password' IN ROLE app;
ALTER ROLE :"role" SET role = 'app';
SQL
