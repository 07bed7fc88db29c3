import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../../src/commands/login.ts';
import type { PostgresDatabase } from '../../../src/db/postgres.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { debianPython } from '../../support/debian-tools.ts';
import { installationIn } from '../../support/installation.ts';
import { lacks } from '../../support/lacks.ts';
import { noServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';
import { sqlalchemy2 } from '../../support/sqlalchemy-2.ts';

const lacksPython = lacks('python3-psycopg2') || lacks('python3-sqlalchemy');
const script = fileURLToPath(new URL('legacy_models.py', import.meta.url));

/** What each operation of the legacy access layer answers, a line each. */
const expected = `health_check: 1
create_agent: [('writer', 'idle', {'temperature': 0.2}, ['write'], 'gAAAA')]
create_agent again: 23505
update_agent_status: [('writer', 'training')]
update_agent: [('The writer', ['write', 'read'], 'training')]
list_agents: [('writer',)]
get_agent: []
times: [('writer',)]
create_task: [('three', 'assigned', 'normal'), ('two', 'pending', 'normal'), ('one', 'pending', 'normal')]
get_task: [('one', {'page': 7}, None)]
get_task of a text: [('three',)]
get_task of no task: []
list_tasks started: True
update_task_status: [('completed', {'pages': 7})]
update_task_status failed: [('e2e-test-1', 'no model')]
counts: [('completed', 1), ('failed', 1), ('pending', 1)]
get_agent_knowledge: [('nouns first', {}), ('short sentences', {})]
update_knowledge_usage: [(1,)]
create_workflow: [('notes', 'draft', [{'id': 'collect changes', 'name': 'Collect'}, {'id': 'write', 'name': 'Write', 'agent': 'writer'}], 'gAAAA')]
update_workflow_status: [('active', 'ann')]
update_workflow_status: [('completed', 'ann')]
get_session: ('ann', {'theme': 'dark'}, True, False)
get_session of another token: []
delete_session: None
get_metrics: [(1.5, {'host': 'a'}), (2.5, {'host': 'a'})]
conversations: [('second', 'answer to the second', 'local_task_001', True), ('first', 'answer to the first', 'local_task_001', True)]
get_user_by_email: [('ann', True, 'user')]
distributed_transaction: []
a state that nothing stands for: LTL01 legacy.tasks.status cannot be written: 'hibernating' is not one of pending, assigned, started, in_progress, running, completed, failed, cancelled
a priority that nothing stands for: LTL01 legacy.tasks.priority cannot be written: 'urgent' is not one of low, normal, high, critical
a short token: LTL01 legacy.sessions.token cannot be written: a token has 16 characters at least, or it can be guessed
an agent of nobody: 23503 insert or update on table "tasks" violates foreign key constraint "tasks_agent_id_fkey"
create table if not exists: 42501 permission denied for schema legacy
delete_agent: []`;

describe.skipIf(noServer || lacksPython)(
  "the legacy system's access layer, on the views of the schema legacy",
  () => {
    const suffix = randomBytes(4).toString('hex');
    const tenants = ['acme', 'globex'];
    const addresses = new Map<string, string>();
    let made: MigratedDatabase;
    let operator: PostgresDatabase;
    let admin: Client;

    beforeAll(async () => {
      made = await migratedDatabase();
      admin = new Client({ connectionString: made.adminUrl });
      await admin.connect();
      operator = serverDatabase(made.urls.migrate);
      for (const tenant of tenants) {
        await admin.query('select ops.create_tenant($1, $1)', [tenant]);
        const login = `${tenant}_${suffix}`;
        const kind = { role: 'service', schema: 'legacy' } as const;
        const password = await createLogin(installationIn(operator), login, tenant, {}, kind);
        const url = Object.assign(new URL(made.url), { username: login, password });
        addresses.set(tenant, url.href.replace(/^postgres(ql)?:/, 'postgresql+psycopg2:'));
      }
    });
    afterAll(async () => {
      for (const tenant of tenants) await dropLogin(installationIn(operator), `${tenant}_${suffix}`);
      await Promise.all([operator?.close(), admin?.end()]);
      await made?.drop();
    });

    // The second finds nothing of the first: its answers are the same.
    test.each([
      ['1.4', 'acme', () => Promise.resolve('')],
      ['2.0', 'globex', sqlalchemy2],
    ] as const)(
      'does with SQLAlchemy %s all that it can do on any schema, in %s',
      async (_, tenant, folder) => {
        const { stdout } = await promisify(execFile)(debianPython, ['-W', 'ignore', script], {
          env: { DATABASE_URL: addresses.get(tenant)!, PYTHONPATH: await folder() },
          timeout: 60_000,
        });
        expect(stdout.trim()).toBe(expected);
      },
    );
  },
);
