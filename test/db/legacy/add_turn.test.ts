import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogin, dropLogin } from '../../../src/commands/login.ts';
import { migratedDatabase } from '../../support/db.ts';
import type { MigratedDatabase } from '../../support/db.ts';
import { installationIn } from '../../support/installation.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { noServer } from '../../support/server.ts';
import { serverDatabase } from '../../support/server-database.ts';

const many = 24_000;

describe.skipIf(noServer)('a turn beside many', { timeout: 120_000 }, () => {
  const name = `platform_${randomBytes(4).toString('hex')}`;
  let made: MigratedDatabase;
  let admin: Client;
  let service: Client;

  beforeAll(async () => {
    made = await migratedDatabase();
    const operator = serverDatabase(made.urls.migrate);
    admin = new Client({ connectionString: made.adminUrl });
    await admin.connect();
    await admin.query(`select ops.create_tenant('acme', 'acme')`);
    const kind = { role: 'service', schema: 'legacy' } as const;
    const password = await createLogin(installationIn(operator), name, 'acme', {}, kind);
    await operator.close();
    service = new Client({
      connectionString: Object.assign(new URL(made.url), { username: name, password }).href,
    });
    await service.connect();
    await service.query(
      `insert into agents (id, name, model) values ('ada', 'Ada', 'm'), ('bob', 'Bob', 'm')`,
    );
    await turn('ada', null);
    await turn('ada', 'job 1');
    // As many turns of one thread, of another agent, and of as many tasks again.
    await admin.query(`
      insert into legacy.turns (tenant_id, id, thread_id, number, task_id)
      select c.tenant_id, c.id || ' ' || i, c.thread_id, 2 * i + 1, c.task_id from legacy.turns c, generate_series(1, ${many / 4}) i;
      with made as (
        insert into app_public.threads (tenant_id, agent_id) select 'acme', 'bob' from generate_series(1, ${many / 2}) returning id
      )
      insert into legacy.turns (tenant_id, id, thread_id, number, task_id)
      select 'acme', id::text, id, 1, 'job ' || row_number() over () from made;
      insert into app_public.messages (tenant_id, thread_id, number, role, content)
      select c.tenant_id, c.thread_id, c.number + r.n, r.role, 'said'
      from legacy.turns c cross join (values (0, 'user'), (1, 'assistant')) r(n, role)
      on conflict do nothing;
      update app_public.threads t set version = (select max(m.number) from app_public.messages m where m.thread_id = t.id and m.tenant_id = t.tenant_id);
      analyze app_public.messages;
      analyze legacy.turns; analyze app_public.threads`);
  }, 120_000);
  afterAll(async () => {
    await service?.end();
    const operator = serverDatabase(made.urls.migrate);
    await dropLogin(installationIn(operator), name);
    await operator.close();
    await admin?.end();
    await made?.drop();
  });

  async function turn(agent: string, task: string | null): Promise<void> {
    await service.query(
      `insert into conversations (id, agent_id, task_id, user_query, agent_response) values ($1, $2, $3, 'asked', 'answered')`,
      [randomBytes(8).toString('hex'), agent, task],
    );
  }
  const threadsOf = async (agent: string): Promise<unknown[]> => {
    const { rows } = await admin.query(
      `select c.task_id, count(distinct c.thread_id)::int as threads
       from legacy.turns c join app_public.threads t on t.id = c.thread_id
       where t.agent_id = $1 group by 1 order by 1 nulls first`,
      [agent],
    );
    return rows;
  };

  test('finds its thread, by its task or by none, and makes one for another agent or task', async () => {
    await turn('ada', null);
    await turn('ada', 'job 1');
    expect(await threadsOf('ada')).toEqual([
      { task_id: null, threads: 1 },
      { task_id: 'job 1', threads: 1 },
    ]);
    await turn('ada', 'job 2');
    await turn('bob', 'job 2');
    await turn('bob', null);
    expect(await threadsOf('ada')).toHaveLength(3);
    expect((await threadsOf('bob')).slice(0, 1)).toEqual([{ task_id: null, threads: 1 }]);
  });

  test.each([null, 'job 7'])('reads an index by the task %s, and no turn of another thread', async (task) => {
    const { rows: plan } = await service.query(
      `explain select from legacy.turns c where c.number = 1 and c.task_id ${task === null ? 'is null' : `= '${task}'`}`,
    );
    const lines = plan.map((row) => row['QUERY PLAN'] as string).join('\n');
    expect(lines).toContain('turns_task_id_idx');
    expect(lines).not.toContain('Seq Scan');

    // What the function reads, as the role of the service. The counters of this session go on until they are sent off.
    const readSoFar = async (): Promise<{ seq: number; idx: number }> => {
      const { rows: read } = await admin.query(
        `select coalesce(sum(seq_tup_read), 0)::int as seq, coalesce(sum(idx_tup_fetch), 0)::int as idx
         from pg_stat_xact_user_tables where relid in ('legacy.turns'::regclass, 'app_public.threads'::regclass)`,
      );
      return read[0];
    };
    const { rows: size } = await admin.query(`select count(*)::int as turns from legacy.turns`);
    expect(size[0].turns).toBeGreaterThan(20_000);
    await admin.query('begin');
    const before = await readSoFar();
    await admin.query(
      `select set_config('app.tenant_id', 'acme', true), set_config('role', '${testRolePrefix}_service', true)`,
    );
    await admin.query(
      `insert into legacy.conversations (id, agent_id, task_id, user_query, agent_response) values ('counted', 'bob', $1, 'asked', 'answered')`,
      [task],
    );
    await admin.query('reset role');
    const after = await readSoFar();
    await admin.query('rollback');
    expect(after.seq - before.seq).toBe(0);
    expect(after.idx - before.idx).toBeLessThan(100);
  });
});
