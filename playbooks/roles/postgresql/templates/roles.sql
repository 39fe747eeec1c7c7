{# A statement is run where its condition does not hold yet; psql prints its tag then, and else nothing. #}
{% macro ensure(statement, condition) %}
SELECT $statement${{ statement }}$statement$ WHERE NOT ({{ condition }}) \gexec
{% endmacro %}
{% macro account(name, password, more) %}
{{ ensure('CREATE ROLE ' ~ name ~ ' LOGIN ' ~ more, "EXISTS (SELECT FROM pg_roles WHERE rolname = '" ~ name ~ "')") }}
{% set verifier = password | scram_verifier(name) %}
{{ ensure('ALTER ROLE ' ~ name ~ " LOGIN PASSWORD '" ~ verifier ~ "'",
          "EXISTS (SELECT FROM pg_authid WHERE rolname = '" ~ name ~ "' AND rolcanlogin AND rolpassword = '" ~ verifier ~ "')") }}
{% endmacro %}
{% set owner = postgresql_database %}
\set QUIET on
SET log_statement = 'none';
\set QUIET off
{{ account('replicator', postgresql_replication_password, 'REPLICATION') }}
{{ ensure('CREATE ROLE ' ~ owner ~ ' NOLOGIN', "EXISTS (SELECT FROM pg_roles WHERE rolname = '" ~ owner ~ "')") }}
{{ ensure('CREATE DATABASE ' ~ owner ~ ' OWNER ' ~ owner, "EXISTS (SELECT FROM pg_database WHERE datname = '" ~ owner ~ "')") }}
{{ ensure('REVOKE ALL ON DATABASE ' ~ owner ~ ' FROM PUBLIC', "NOT EXISTS (SELECT FROM pg_database WHERE datname = '" ~ owner ~ "' AND has_database_privilege('public', oid, 'CONNECT'))") }}
{% for caller in postgresql_callers %}
{{ account(caller.name, lookup('secret', 'postgresql/' ~ postgresql_cluster ~ '/' ~ caller.name), 'IN ROLE ' ~ owner) }}
{# What they make belongs to all callers together. #}
{{ ensure('ALTER ROLE ' ~ caller.name ~ ' IN DATABASE ' ~ owner ~ ' SET role = ' ~ owner,
          "EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = to_regrole('" ~ caller.name ~ "') AND 'role=" ~ owner ~ "' = ANY (setconfig))") }}
{% endfor %}
SELECT format('ALTER ROLE %I NOLOGIN', account.rolname)
FROM pg_auth_members JOIN pg_roles AS account ON account.oid = member
WHERE roleid = to_regrole('{{ owner }}') AND account.rolcanlogin
  AND account.rolname <> ALL ('{ {{- postgresql_callers | map(attribute='name') | join(',') -}} }') \gexec
{% if postgresql_watchers %}
{# A member of no role, without temporary tables.  It is told of replication, as everybody is (PostgreSQL 15,
   9.27), and of the records that lie where the backups are kept: on that server alone there are any. #}
{{ account('monitor', postgresql_monitor_password, 'CONNECTION LIMIT 10') }}
{{ ensure('REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC', "NOT has_database_privilege('public', 'postgres', 'TEMPORARY')") }}
{% set body = "SELECT pg_read_file('" ~ postgresql_records ~ "/backups.json', 0, 16777216, true), pg_read_file('" ~ postgresql_records ~ "/restore.json', 0, 65536, true)" %}
{{ ensure('CREATE OR REPLACE FUNCTION citydc_records(OUT backups text, OUT restore text) SECURITY DEFINER'
          ~ ' SET search_path = pg_catalog, pg_temp LANGUAGE sql AS $body$' ~ body ~ '$body$;'
          ~ ' REVOKE ALL ON FUNCTION citydc_records() FROM PUBLIC; GRANT EXECUTE ON FUNCTION citydc_records() TO monitor',
          "EXISTS (SELECT FROM pg_proc WHERE proname = 'citydc_records' AND prosrc = $body$" ~ body ~ "$body$"
          ~ " AND has_function_privilege('monitor', oid, 'EXECUTE') AND NOT has_function_privilege('public', oid, 'EXECUTE'))") }}
{% endif %}
{% for server in postgresql_others %}
{% set slot = server.name | replace('.', '_') | replace('-', '_') %}
{{ ensure("SELECT pg_create_physical_replication_slot('" ~ slot ~ "')",
          "EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '" ~ slot ~ "')") }}
{% endfor %}
