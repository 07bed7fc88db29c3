import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import { isWithin } from '../within.ts';
import { collectors } from './collectors.ts';
import type { Collector, Sample } from './collectors.ts';

/** Of each statement. A lock that is waited for is a matter of the one who holds it. */
const statementBounds = { statement_timeout: '1000', lock_timeout: '500' };
/** Of all of them. Prometheus waits for ten seconds. */
const withinMs = 3_000;
/** So old may a number be: several Prometheus servers cost the database no more than one. */
const freshMs = 5_000;

/**
 * Measures in the database. The returned function brings the gauges up to date; it takes 3 s at most and never rejects. What could not be
 * read is left out: its collector has `lightning_collector_up` 0, and the log has the reason, once.
 */
export function measureDatabase(
  registry: Registry,
  database: Pick<Database, 'queryWith'>,
  log: Log,
): () => Promise<void> {
  const registers = [registry];
  const up = new Gauge({
    name: 'lightning_collector_up',
    help: 'Whether the last look at this part of the database succeeded: 1 or 0.',
    labelNames: ['collector'],
    registers,
  });
  const errors = new Counter({
    name: 'lightning_collector_errors_total',
    help: 'Looks at this part of the database that failed or took too long.',
    labelNames: ['collector'],
    registers,
  });
  for (const { name } of collectors) errors.inc({ collector: name }, 0);
  const gauges = new Map(
    collectors.flatMap(({ measures }) =>
      Object.entries(measures).map(([name, { help, label }]) => [
        name,
        {
          label,
          gauge: new Gauge<string>({ name, help, labelNames: label === null ? [] : [label], registers }),
        },
      ]),
    ),
  );
  const failing = new Set<string>();

  const clear = ({ measures }: Collector): void => {
    for (const name of Object.keys(measures)) gauges.get(name)?.gauge.reset();
    // prom-client resets a gauge without labels to 0, which is a value.
    for (const [name, { label }] of Object.entries(measures))
      if (label === null) gauges.get(name)?.gauge.remove();
  };
  const fail = (collector: Collector, reason: unknown): void => {
    clear(collector);
    up.set({ collector: collector.name }, 0);
    errors.inc({ collector: collector.name });
    if (failing.has(collector.name)) return;
    failing.add(collector.name);
    const message = `/metrics lacks what ${collector.name} would show: ${reason instanceof Error ? reason.message : String(reason)}`;
    log({ level: 'warning', event: 'metrics-incomplete', message, collector: collector.name });
  };
  const look = async (collector: Collector): Promise<void> => {
    try {
      const { rows } = await database.queryWith<Sample>(statementBounds, collector.statement);
      clear(collector);
      for (const { metric, label, value } of rows) {
        const target = gauges.get(metric);
        if (target === undefined || value === null) continue;
        if (target.label === null) target.gauge.set(value);
        else target.gauge.set({ [target.label]: label ?? '' }, value);
      }
      up.set({ collector: collector.name }, 1);
      failing.delete(collector.name);
    } catch (error) {
      fail(collector, error);
    }
  };

  // A gauge without labels has the value 0 until it is told otherwise.
  for (const collector of collectors) clear(collector);

  let looking: Promise<void> | null = null;
  let freshUntil = -Infinity;
  const lookAtAll = async (): Promise<void> => {
    for (const collector of collectors) await look(collector);
    freshUntil = performance.now() + freshMs;
    looking = null;
  };
  return async () => {
    if (looking === null && performance.now() < freshUntil) return;
    looking ??= lookAtAll();
    if (await isWithin(withinMs, looking)) return;
    for (const collector of collectors)
      fail(collector, `the database did not answer within ${withinMs / 1000} s`);
  };
}
