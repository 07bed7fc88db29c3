import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { AnsweredRequest } from '../../src/http/answered-request.ts';
import { countRequests } from '../../src/monitoring/request-metrics.ts';

const usual: AnsweredRequest = {
  kind: 'request',
  method: 'GET',
  route: '/rest/v1/tasks',
  status: 200,
  code: null,
  durationMs: 20,
  requestId: 'one',
  claims: null,
  headers: null,
};

/** The samples of a scrape after these requests. */
async function scrapeOf(requests: readonly Partial<AnsweredRequest>[]): Promise<readonly string[]> {
  const registry = new Registry();
  const count = countRequests(registry);
  for (const request of requests) count({ ...usual, ...request });
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('a request counts for its method, the template of its path and the class of its status, and its time in seconds', async () => {
  const samples = await scrapeOf([{}, { status: 204 }, { status: 503, code: 'PGRST003' }]);
  expect(samples).toContain(
    'lightning_http_requests_total{method="GET",route="/rest/v1/tasks",status="2xx"} 2',
  );
  expect(samples).toContain(
    'lightning_http_requests_total{method="GET",route="/rest/v1/tasks",status="5xx"} 1',
  );
  expect(samples).toContain('lightning_http_refusals_total{code="PGRST003"} 1');
  const bucket = (le: string) =>
    `lightning_http_request_duration_seconds_bucket{le="${le}",method="GET",route="/rest/v1/tasks"}`;
  expect(samples).toContain(`${bucket('0.01')} 0`);
  expect(samples).toContain(`${bucket('0.025')} 3`);
});

test('streams and probes are counted without their time', async () => {
  const samples = await scrapeOf([
    { kind: 'stream', route: '/events', durationMs: 3_600_000 },
    { kind: 'probe', route: '/readyz' },
  ]);
  expect(samples.filter((line) => line.includes('requests_total'))).toHaveLength(2);
  expect(samples.filter((line) => line.includes('duration'))).toEqual([]);
});

test('however many routes and codes there are, the series are bounded, and nothing goes uncounted', async () => {
  const many = Array.from({ length: 3_000 }, (_each, i) => ({
    route: `/rest/v1/t${i}`,
    code: `C${i}`,
    status: 400,
  }));
  const samples = await scrapeOf([...many, ...many]);
  const counted = samples.filter((line) => line.startsWith('lightning_http_requests_total'));
  expect(counted).toHaveLength(500);
  expect(counted.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(6_000);
  expect(counted).toContainEqual(
    expect.stringMatching(/method="OTHER",route="\{other\}",status="4xx"\} 5002$/),
  );
  const codes = samples.filter((line) => line.startsWith('lightning_http_refusals_total'));
  expect(codes).toHaveLength(200);
  expect(codes.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(6_000);
});
