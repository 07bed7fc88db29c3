import { parseArgs } from 'node:util';
import { provideServer } from '../support/postgres/provide.ts';
import { attacks } from './attacks.ts';
import { attackService } from './service-attacks.ts';

const help = `node test/security/attack-service.ts [--seconds N] [--rate N] [--only NAME,NAME]

Attacks the service as an analyst's plain login and as a member, one attack after the other, while a second tenant goes on with its
work. Own server with the settings of docker-compose.yml, \`serve\` and \`work\` as processes, with lower limits of requests and streams. Prints what stopped the attacker, and what
the second tenant felt. Exits with 1 when a request of the second tenant failed, or its p99 was 100 ms or more.

  --seconds N     of each attack (default 30)
  --rate N        requests of the second tenant a second (default 20)
  --only NAMES    of ${Object.keys(attacks).join(', ')}`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '20' },
    only: { type: 'string', default: Object.keys(attacks).join(',') },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const provided = await provideServer();
if (provided.kind === 'unavailable' || provided.binDirectory === undefined) {
  console.error('attack-service: the programs of a server are needed, to start one of its own');
  process.exit(1);
}
const { binDirectory } = provided;
await provided.stop();
const reports = await attackService(binDirectory, ['none', ...values.only.split(',')], {
  seconds: Number(values.seconds),
  rate: Number(values.rate),
  say: ({ attack, stopped, requests, failed, p50Ms, p99Ms, alerts }) => {
    console.log(
      `${attack}: ${requests} requests of the second tenant, ${failed.length} failed, p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
    );
    for (const reason of new Set(failed)) console.log(`  failed: ${reason}`);
    for (const { how, count, afterSeconds } of stopped)
      console.log(`  attacker: ${how} (${count} times, first after ${afterSeconds} s)`);
    for (const alert of alerts) console.log(`  alert: ${alert}`);
  },
});
if (reports.some(({ failed, p99Ms }) => failed.length > 0 || p99Ms >= 100)) process.exitCode = 1;
