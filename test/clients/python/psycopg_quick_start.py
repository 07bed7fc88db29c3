"""What psycopg's documentation begins with, on a connection string: connect, execute, fetch, parameters, a cursor."""

import sys

import psycopg

with psycopg.connect(sys.argv[1]) as connection:
    with connection.cursor() as cursor:
        cursor.execute("select id, name from agents where model = %s order by id", ("gpt-4o",))
        print(cursor.fetchone())
        # The driver prepares a repeated statement on the server before long.
        for _ in range(8):
            cursor.execute("select count(*) from agents where id = %s", ("ada",))
        print(cursor.fetchone())
        try:
            cursor.execute("insert into agents (tenant_id, id, name, model) values ('default', 'x', 'x', 'x')")
            print("inserted")
        except psycopg.Error as error:
            print(error.sqlstate)
    connection.rollback()
