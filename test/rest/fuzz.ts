import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { embeddedConformanceDatabase } from './conformance/embedded-database.ts';
import { FuzzTarget } from './fuzz/target.ts';
import { fuzzRequests } from './fuzz/requests.ts';

// node test/rest/fuzz.ts [requests] [seed]: sends that many generated requests through the whole pipeline, on an embedded
// database of its own. When one fails, exits with 1 and prints the smallest failing request and the seed to repeat it
// with.

const requests = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);

const { database, close } = await embeddedConformanceDatabase(await mkdtemp(join(tmpdir(), 'lightning-')));
const target = new FuzzTarget(database);
const began = performance.now();
console.log(`${requests} requests, seed ${seed}`);
const result = await fc.check(
  fc.asyncProperty(fuzzRequests(), async (request) => {
    const problems = await target.problems(request);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }),
  { numRuns: requests, seed },
);
const seconds = (performance.now() - began) / 1000;
const statuses = [...target.statuses].toSorted(([a], [b]) => a - b);
console.log(`${result.numRuns} requests in ${seconds.toFixed(0)} s, ${target.statements} statements`);
console.log(statuses.map(([status, count]) => `  ${status}: ${count}`).join('\n'));
if (result.failed) {
  console.error(fc.defaultReportMessage(result));
  process.exitCode = 1;
}
await target.close();
await close();
