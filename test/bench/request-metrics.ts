import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Registry } from 'prom-client';
import { countRequests } from '../../src/monitoring/request-metrics.ts';
import { startLightning } from '../support/lightning.ts';

// What the metrics of a request cost: the CPU of one count, against the CPU that the process takes for a request (one row by its key).
//   node test/bench/request-metrics.ts

const calls = 1_000_000;
const count = countRequests(new Registry());
const answered = Array.from({ length: 300 }, (_each, i) => ({
  kind: 'request' as const,
  method: ['GET', 'POST', 'PATCH'][i % 3]!,
  route: `/rest/v1/t${i}`,
  status: i % 10 === 0 ? 404 : 200,
  code: i % 10 === 0 ? 'PGRST116' : null,
  durationMs: i,
  requestId: 'x',
  claims: null,
  headers: null,
}));
const turn = (): number => {
  const began = process.cpuUsage();
  for (let i = 0; i < calls; i++) count(answered[i % 300]!);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / calls;
};
turn();
const perCall = [turn(), turn(), turn()].toSorted((a, b) => a - b)[1]!;

/** CPU seconds of a process, on Linux: clock ticks of 10 ms. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
const served = await startLightning({ DATA_DIR: directory, RATE_PER_ADDRESS: '0' });
try {
  const requests = 4_000;
  const ask = async (): Promise<void> => {
    const answer = await fetch(`${served.url}/rest/v1/agents?id=eq.x`, {
      headers: { authorization: `Bearer ${served.token}` },
    });
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  };
  for (let i = 0; i < 500; i++) await ask();
  const before = cpuOf(served.process.pid!);
  for (let i = 0; i < requests; i++) await ask();
  const perRequest = ((cpuOf(served.process.pid!) - before) / requests) * 1_000_000;
  console.log(
    `${perCall.toFixed(2)} us a request for its metrics, of ${perRequest.toFixed(0)} us of CPU: ${((100 * perCall) / perRequest).toFixed(2)} %`,
  );
} finally {
  await served.stop();
  await rm(directory, { recursive: true, force: true });
}
