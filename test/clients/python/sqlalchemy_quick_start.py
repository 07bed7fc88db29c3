"""What SQLAlchemy's tutorial begins with, on a database URL: an engine, text with parameters, a table as it is found, a query."""

import sys

from sqlalchemy import MetaData, Table, create_engine, exc, select, text

engine = create_engine(sys.argv[1])
with engine.connect() as connection:
    print(connection.execute(text("select name from agents where id = :id"), {"id": "ada"}).scalar_one())
agents = Table("agents", MetaData(), autoload_with=engine, schema="app_public")
with engine.connect() as connection:
    rows = connection.execute(select(agents.c.id, agents.c.status).order_by(agents.c.id)).all()
    print([tuple(row) for row in rows])
try:
    with engine.begin() as connection:
        connection.execute(agents.insert().values(tenant_id="default", id="x", name="x", model="x"))
    print("inserted")
except exc.DBAPIError as error:
    print(error.orig.pgcode)
