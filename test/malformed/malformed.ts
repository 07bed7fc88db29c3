// Usage: node test/malformed/malformed.ts [count] [seed]. Sends malformed requests and frames to a process of its own.
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLightning } from '../support/lightning.ts';
import { randomOf, sendMalformed } from './malformed-requests.ts';

const count = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 4_294_967_296));
const random = randomOf(seed);
const rounds = 10;
console.log(`${count} requests with the seed ${seed}`);
const directory = await mkdtemp(join(tmpdir(), 'agent-lightning-malformed-'));
const started = await startLightning({ DATA_DIR: directory });
const residentMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${started.process.pid}/status`, 'utf8'))?.[1]) / 1024;
const statuses: Record<string, number> = {};
let bad = 0;
const memory: number[] = [];
for (let round = 0; round < rounds; round++) {
  for (const { kind, status, hung, sent } of await sendMalformed(started.url, started.token ?? '', {
    count: count / rounds,
    random,
  })) {
    const word = hung ? 'hung' : String(status ?? 'closed');
    statuses[word] = (statuses[word] ?? 0) + 1;
    if (!hung && (status ?? 0) < 500) continue;
    bad++;
    console.log(`${kind}: ${word}: ${JSON.stringify(sent)}`);
  }
  memory.push(Math.round(residentMb()));
  console.log(`${(round + 1) * (count / rounds)} sent, ${memory.at(-1)} MB resident`);
}
started.process.kill('SIGTERM');
rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
console.log(statuses);
const grown = memory.at(-1)! - memory[Math.floor(rounds / 2)]!;
console.log(`${bad} answered with 5xx or not at all; ${grown} MB more than at half time`);
process.exitCode = bad > 0 || grown > 64 ? 1 : 0;
