"""The tables and operations of the legacy system's data-access layer, as its programs have them: every mapped column in every statement,
times without a zone, updated_at written by the client. Prints a line for each operation."""

import os
import sys
import uuid
from datetime import datetime, timedelta

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, ForeignKey, Integer, String, Text, create_engine, desc, exc, func, text
from sqlalchemy.orm import declarative_base, sessionmaker

engine = create_engine(os.environ["DATABASE_URL"], pool_size=5, max_overflow=5, pool_pre_ping=True, pool_recycle=3600)
Session = sessionmaker(bind=engine)
Base = declarative_base()


class Agent(Base):
    __tablename__ = "agents"
    id = Column(String(50), primary_key=True)
    name = Column(String(100), nullable=False)
    model = Column(String(50), nullable=False)
    specialization = Column(String(50))
    status = Column(String(20), default="idle")
    config = Column(JSON, default=dict)
    capabilities = Column(JSON, default=list)
    config_encrypted = Column(Text)
    capabilities_encrypted = Column(Text)
    created_at = Column(DateTime, default=datetime.utcnow)
    updated_at = Column(DateTime, default=datetime.utcnow, onupdate=datetime.utcnow)


class Task(Base):
    __tablename__ = "tasks"
    id = Column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    agent_id = Column(String(50), ForeignKey("agents.id", ondelete="CASCADE"))
    description = Column(Text, nullable=False)
    status = Column(String(20), default="pending")
    priority = Column(String(20), default="normal")
    context = Column(JSON, default=dict)
    result = Column(JSON)
    error_message = Column(Text)
    created_at = Column(DateTime, default=datetime.utcnow)
    started_at = Column(DateTime)
    completed_at = Column(DateTime)


class Knowledge(Base):
    __tablename__ = "knowledge"
    id = Column(String(255), primary_key=True)
    agent_id = Column(String(50), ForeignKey("agents.id", ondelete="CASCADE"))
    category = Column(String(50))
    content = Column(Text)
    source = Column(Text)
    extra = Column("metadata", JSON, default=dict)
    usage_count = Column(Integer, default=0)
    relevance_score = Column(Float, default=1.0)
    created_at = Column(DateTime, default=datetime.utcnow)
    last_used_at = Column(DateTime)


class Workflow(Base):
    __tablename__ = "workflows"
    id = Column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    name = Column(String(100))
    description = Column(Text)
    steps = Column(JSON, default=list)
    status = Column(String(20), default="draft")
    created_by = Column(String(50))
    assigned_to = Column(String(50))
    context = Column(JSON, default=dict)
    steps_encrypted = Column(Text)
    context_encrypted = Column(Text)
    created_at = Column(DateTime, default=datetime.utcnow)
    updated_at = Column(DateTime, default=datetime.utcnow, onupdate=datetime.utcnow)


class UserSession(Base):
    __tablename__ = "sessions"
    id = Column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    user_id = Column(String(100), nullable=False)
    token = Column(String(500), unique=True, nullable=False)
    data = Column(JSON, default=dict)
    expires_at = Column(DateTime, nullable=False)
    created_at = Column(DateTime, default=datetime.utcnow)


class Metric(Base):
    __tablename__ = "metrics"
    id = Column(Integer, primary_key=True)
    service_name = Column(String(50))
    metric_name = Column(String(100))
    value = Column(Float)
    tags = Column(JSON, default=dict)
    timestamp = Column(DateTime, default=datetime.utcnow)


class Conversation(Base):
    __tablename__ = "conversations"
    id = Column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    task_id = Column(String(255))
    agent_id = Column(String(50), ForeignKey("agents.id", ondelete="CASCADE"))
    user_query = Column(Text, nullable=False)
    agent_response = Column(Text, nullable=False)
    context = Column(JSON, default=dict)
    knowledge_metadata = Column(JSON, default=dict)
    success = Column(Boolean, default=True)
    knowledge_used = Column(Integer, default=0)
    rl_enhanced = Column(Boolean, default=False)
    user_query_encrypted = Column(Text)
    agent_response_encrypted = Column(Text)
    created_at = Column(DateTime, default=datetime.utcnow)


class User(Base):
    __tablename__ = "users"
    id = Column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    username = Column(String(100), unique=True)
    email = Column(String(255), unique=True)
    password_hash = Column(String(255))
    role = Column(String(20), default="user")
    is_active = Column(Boolean, default=True)
    email_encrypted = Column(Text)
    password_hash_encrypted = Column(Text)
    created_at = Column(DateTime, default=datetime.utcnow)
    updated_at = Column(DateTime, default=datetime.utcnow, onupdate=datetime.utcnow)


def within(work):
    """The programs' way: a session for each operation, committed at its end."""
    session = Session()
    try:
        value = work(session)
        session.commit()
        return value
    except Exception:
        session.rollback()
        raise
    finally:
        session.close()


def change(kind, key, **values):
    def work(session):
        row = session.query(kind).filter(kind.id == key).first()
        for name, value in values.items():
            setattr(row, name, value)

    within(work)


def read(kind, *conditions, order=None, columns):
    def work(session):
        query = session.query(kind).filter(*conditions)
        if order is not None:
            query = query.order_by(*order)
        return [tuple(getattr(row, name) for name in columns) for row in query.all()]

    return within(work)


def say(operation, value):
    print(f"{operation}: {value}")


say("health_check", within(lambda s: s.execute(text("select 1")).scalar()))

within(lambda s: s.add(Agent(id="writer", name="Writer", model="gpt-4o", config={"temperature": 0.2}, capabilities=["write"], config_encrypted="gAAAA")))
say("create_agent", read(Agent, Agent.id == "writer", columns=("id", "status", "config", "capabilities", "config_encrypted")))
try:
    within(lambda s: s.add(Agent(id="writer", name="Again", model="m")))
    say("create_agent again", "done")
except exc.IntegrityError as error:
    say("create_agent again", error.orig.pgcode)
change(Agent, "writer", status="training")
say("update_agent_status", read(Agent, Agent.status == "training", columns=("id", "status")))
change(Agent, "writer", name="The writer", capabilities=["write", "read"])
say("update_agent", read(Agent, columns=("name", "capabilities", "status")))
say("list_agents", read(Agent, order=[Agent.id], columns=("id",)))
say("get_agent", read(Agent, Agent.id == "nobody", columns=("id",)))
before = datetime.utcnow() - timedelta(minutes=1)
say("times", read(Agent, Agent.created_at > before, columns=("id",)))

first, second = str(uuid.uuid4()), str(uuid.uuid4())
within(lambda s: s.add(Task(id=first, agent_id="writer", description="one", context={"page": 7})))
within(lambda s: s.add(Task(id=second, agent_id="writer", description="two", created_at=datetime.utcnow() + timedelta(seconds=1))))
within(lambda s: s.add(Task(id="e2e-test-1", agent_id="writer", description="three", status="assigned", created_at=datetime.utcnow() + timedelta(seconds=2))))
say("create_task", read(Task, order=[desc(Task.created_at)], columns=("description", "status", "priority")))
say("get_task", read(Task, Task.id == first, columns=("description", "context", "result")))
say("get_task of a text", read(Task, Task.id == "e2e-test-1", columns=("description",)))
say("get_task of no task", read(Task, Task.id == "not-a-uuid", columns=("id",)))
change(Task, first, status="started", started_at=datetime.utcnow())
say("list_tasks started", read(Task, Task.agent_id == "writer", Task.status == "started", columns=("id",)) == [(first,)])
change(Task, first, status="in_progress")
change(Task, first, status="completed", result={"pages": 7}, completed_at=datetime.utcnow())
say("update_task_status", read(Task, Task.id == first, columns=("status", "result")))
change(Task, "e2e-test-1", status="failed", error_message="no model")
say("update_task_status failed", read(Task, Task.status == "failed", columns=("id", "error_message")))
say("counts", within(lambda s: sorted(tuple(row) for row in s.query(Task.status, func.count(Task.id)).group_by(Task.status).all())))

item = "pattern_0a1b2c3d_20250916120000"
within(lambda s: s.add(Knowledge(id=item, agent_id="writer", category="pattern", content="short sentences", source="style", relevance_score=0.5)))
within(lambda s: s.add(Knowledge(id="pattern_ffffffff_20250916120001", agent_id="writer", category="pattern", content="nouns first")))
say("get_agent_knowledge", read(Knowledge, Knowledge.agent_id == "writer", Knowledge.category == "pattern", order=[desc(Knowledge.relevance_score), desc(Knowledge.usage_count)], columns=("content", "extra")))


def use(session):
    row = session.query(Knowledge).filter(Knowledge.id == item).first()
    row.usage_count += 1
    row.last_used_at = datetime.utcnow()


within(use)
say("update_knowledge_usage", read(Knowledge, Knowledge.id == item, columns=("usage_count",)))

steps = [{"id": "collect changes", "name": "Collect"}, {"id": "write", "name": "Write", "agent": "writer"}]
flow = str(uuid.uuid4())
within(lambda s: s.add(Workflow(id=flow, name="notes", steps=steps, created_by="ann", steps_encrypted="gAAAA")))
say("create_workflow", read(Workflow, columns=("name", "status", "steps", "steps_encrypted")))
for status in ("active", "completed"):
    change(Workflow, flow, status=status)
    say("update_workflow_status", read(Workflow, Workflow.status == status, columns=("status", "created_by")))

token = "t" + uuid.uuid4().hex
within(lambda s: s.add(UserSession(user_id="ann", token=token, data={"theme": "dark"}, expires_at=datetime.utcnow() + timedelta(hours=1))))


def get_session(session):
    row = session.query(UserSession).filter(UserSession.token == token).first()
    return row and (row.user_id, row.data, row.expires_at > datetime.utcnow(), row.token == token)


say("get_session", within(get_session))
say("get_session of another token", read(UserSession, UserSession.token == "x" * 32, columns=("id",)))
within(lambda s: s.query(UserSession).filter(UserSession.token == token).delete(synchronize_session=False))
say("delete_session", within(get_session))

for value in (1.5, 2.5):
    within(lambda s: s.add(Metric(service_name="api", metric_name="latency", value=value, tags={"host": "a"})))
say("get_metrics", read(Metric, Metric.metric_name == "latency", Metric.timestamp >= before, order=[Metric.value], columns=("value", "tags")))

for question in ("first", "second"):
    within(lambda s: s.add(Conversation(task_id="local_task_001", agent_id="writer", user_query=question, agent_response=f"answer to the {question}")))
say("conversations", read(Conversation, Conversation.agent_id == "writer", order=[desc(Conversation.created_at)], columns=("user_query", "agent_response", "task_id", "success")))

within(lambda s: s.add(User(username="ann", email="ann@example.org", password_hash="$2b$12$x")))
say("get_user_by_email", read(User, User.email == "ann@example.org", columns=("username", "is_active", "role")))

try:
    def transfer(session):
        session.add(Task(description="in a transaction"))
        session.flush()
        raise RuntimeError("changed its mind")

    within(transfer)
except RuntimeError:
    say("distributed_transaction", read(Task, Task.description == "in a transaction", columns=("id",)))

for name, work in {
    "a state that nothing stands for": lambda s: s.add(Task(description="x", status="hibernating")),
    "a priority that nothing stands for": lambda s: s.add(Task(description="x", priority="urgent")),
    "a short token": lambda s: s.add(UserSession(user_id="ann", token="x", expires_at=datetime.utcnow())),
    "an agent of nobody": lambda s: s.add(Task(description="x", agent_id="nobody")),
    "create table if not exists": lambda s: s.execute(text("create table if not exists tasks (id integer primary key)")),
}.items():
    try:
        within(work)
        say(name, "done")
    except exc.DBAPIError as error:
        say(name, f"{error.orig.pgcode} {str(error.orig).splitlines()[0]}")

within(lambda s: s.query(Agent).filter(Agent.id == "writer").delete(synchronize_session=False))
say("delete_agent", read(Agent, columns=("id",)))
sys.exit(0)
