import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { applicationSchema, sqliteBytes } from './sqlite-bytes.ts';

/**
 * Writes a folder in the shapes of the legacy system: definitions, knowledge with ids that items share and owners without a definition,
 * conversations, an application database, and points whose digits two files give differently. `scale` 1 gives some thousand items.
 */
export async function writeGeneratedLegacy(folder: string, scale: number): Promise<void> {
  const agents = ['developer', 'analyst', 'reviewer'];
  const many = (count: number): number[] => Array.from({ length: Math.ceil(count * scale) }, (_, n) => n);
  const files = new Map<string, string | Buffer>();
  for (const name of agents)
    files.set(
      `.agent-configs/${name}.json`,
      JSON.stringify({ name, role: 'custom', model: 'm', system_prompt: `You are ${name}.` }),
    );
  for (const name of [...agents, 'ghost'])
    files.set(
      `.agent-knowledge/${name}.json`,
      JSON.stringify(
        many(900).map((n) => ({
          id: `item-${n % 700}`,
          category: 'notes',
          content: `${name} ${n} ${'knows a lot '.repeat(20)}`,
          source: n % 9 === 0 ? null : `page ${n}`,
          timestamp: n % 211 === 7 ? 'soon' : `2025-09-02T14:30:50.${String(n).padStart(6, '0')}`,
          metadata: { n, exact: 1.5 },
          usage_count: n % 5,
          relevance_score: 1,
        })),
      ),
    );
  files.set(
    '.agent-memory/conversation_history.json',
    JSON.stringify(
      many(300).map((n) => ({
        timestamp: `2025-09-03T10:34:28.${String(n).padStart(6, '0')}`,
        agent: agents[n % 3],
        user_query: `question ${n}`,
        agent_response: n % 50 === 0 ? 'x'.repeat(1_000) : `answer ${n}`,
        task_id: n % 4 === 0 ? null : `task-${n % 20}`,
        knowledge_used: n % 6,
        success: n % 7 !== 0,
        metadata: {},
      })),
    ),
  );
  files.set(
    'agentlightning.db',
    await sqliteBytes(`${applicationSchema}
      begin;
      ${many(800)
        .map(
          (n) =>
            `insert into tasks (id, agent_id, description, status, created_at) values ('task-${n}', '${agents[n % 3]}', 'work ${n}', '${n % 97 === 5 ? 'hibernating' : 'pending'}', '2025-01-01T00:00:00Z');
             insert into metrics (service_name, metric_name, value, tags, timestamp) values ('s', 'm${n % 9}', ${n % 101 === 3 ? "'many'" : n}, '{}', '2025-01-0${1 + (n % 5)}T00:00:00Z');`,
        )
        .join('\n')}
      insert into users (id, username, email, password_hash) values ('u', 'U', 'u@example.org', 'h');
      commit;`),
  );
  const header = 'result,table,time,value,field,measurement,host\n';
  const point = (n: number, digits: number): string =>
    `,0,2025-02-0${1 + (n % 5)}T00:00:${String(n % 60).padStart(2, '0')}Z,${(n / 7).toFixed(digits)},f${n},m,h${n % 3}\n`;
  files.set(
    'exports/a.csv',
    header +
      many(700)
        .map((n) => point(n, 15))
        .join(''),
  );
  files.set(
    'exports/b.csv',
    header +
      many(800)
        .map((n) => point(n, n % 2 === 0 ? 15 : 12))
        .join(''),
  );
  for (const [name, content] of files) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}
