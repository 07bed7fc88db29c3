import type { Client } from 'pg';
import { get, post } from './doors.ts';
import type { Sender } from './doors.ts';

const day = Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000;

/** A tenant's day that needs every job: tasks whose holder dies, a step that takes too long, metrics, knowledge. */
export async function spendDay(sender: Sender): Promise<void> {
  const call = async (path: string, body: object) => {
    const answer = await post(sender, `/rest/v1/${path}`, JSON.stringify(body), {
      prefer: 'return=representation',
    });
    if (answer.status >= 300)
      throw new Error(`${path} of the healthy tenant: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body || 'null') as unknown;
  };
  await call('rpc/enqueue_task', { description: 'dies', context: { dies: true } });
  await call('rpc/claim_task', { agent: 'a', filter: { dies: true }, lease: '1 second' });
  const steps = [{ key: 'late', task: { description: 'step' }, timeout: '1 second' }];
  const [{ id }] = (await call('workflows', { name: 'flow', steps })) as [{ id: string }];
  await call('rpc/start_workflow', { workflow_id: id });
  await call('rpc/record_metrics', {
    points: Array.from({ length: 200 }, (_, i) => ({
      service_name: 's',
      metric_name: 'm',
      value: i,
      timestamp: new Date(day + i * 120_000).toISOString(),
    })),
  });
  await call('rpc/add_knowledge_items', {
    items: ['red apples', 'green apples', 'blue whales'].map((content, i) => ({ id: `k${i}`, content })),
  });
}

/** The jobs that a day needs. */
export const jobs = [
  'roll_up_metrics',
  'embed_knowledge',
  'tend_workflows',
  'trim_events',
  'retention',
  'check_alerts',
];

/** The results of the day: what jobs made of it, and the answers of series and searches. */
export async function dayOf(sender: Sender, admin: Client, tenant: string): Promise<unknown> {
  const rows = async (text: string) => (await admin.query<object>(text, [tenant])).rows;
  const read = async (path: string) => JSON.parse((await get(sender, `/rest/v1/${path}`)).body) as unknown;
  const search = await post(sender, '/rest/v1/rpc/search_knowledge_text', '{"query_text": "apples"}');
  const range = `from=${new Date(day).toISOString()}&to=${new Date(day + 86_400_000).toISOString()}&bucket=6h`;
  return {
    tasks: await rows(
      'select description, status, failures from app_public.tasks where tenant_id = $1 order by 1',
    ),
    steps: await rows(
      'select key, status, error_message from app_public.workflow_steps where tenant_id = $1',
    ),
    rollups: await rows(
      `select 'minute' as of, count(*)::int, sum(sum) from app_public.metrics_minute where tenant_id = $1 union all
       select 'hour', count(*)::int, sum(sum) from app_public.metrics_hour where tenant_id = $1 union all
       select 'day', count(*)::int, sum(sum) from app_public.metrics_day where tenant_id = $1 order by 1`,
    ),
    averages: await read(`rpc/metric_series?service=s&metric=m&${range}&aggregate=avg`),
    percentiles: await read(`rpc/metric_series?service=s&metric=m&${range}&aggregate=p95`),
    found: (JSON.parse(search.body) as { id: string; score: number; similarity: number }[]).map(
      ({ id, score, similarity }) => [id, score, similarity],
    ),
  };
}

/** Whether the jobs have finished all of it. */
export async function isOver(admin: Client, tenant: string): Promise<boolean> {
  const { rows } = await admin.query<{ over: boolean }>(
    `select
       exists (select from app_public.tasks where tenant_id = $1 and description = 'dies' and status = 'pending' and failures = 1)
       and exists (select from app_public.workflow_steps where tenant_id = $1 and status = 'failed')
       and exists (select from app_public.metrics_day where tenant_id = $1)
       and not exists (select from app_public.knowledge where tenant_id = $1 and embedding is null) as over`,
    [tenant],
  );
  return rows[0]?.over ?? false;
}
