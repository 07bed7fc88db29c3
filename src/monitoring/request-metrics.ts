import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { AnsweredRequest, OnAnswered } from '../http/answered-request.ts';

/** Pairs of method and route. A catalog of a hundred relations and functions has some 300 that are asked for. */
const mostRoutes = 500;
/** Codes of refusals: some hundred are ours, and a function in the database may raise others. */
const mostCodes = 200;
/** What is beyond counts under this name. */
const others = '{other}';

/** Seconds. A request has 30 s at most, and simple ones are to take less than 0.1. */
const buckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

/** The series of one method and route. */
interface Series {
  readonly method: string;
  readonly route: string;
  readonly observe: (seconds: number) => void;
}

/**
 * Counts requests and their time in the registry. Labels are the templates of `AnsweredRequest`, never what a client sends, and there are
 * 500 pairs of method and route and 200 codes at most: what is beyond counts as `{other}`.
 */
export function countRequests(registry: Registry): OnAnswered {
  const registers = [registry];
  const requests = new Counter({
    name: 'lightning_http_requests_total',
    help: 'Requests that were answered or given up, streams and probes among them, by the template of their path.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'lightning_http_request_duration_seconds',
    help: 'Time from the arrival of a request to its answer, without streams and probes.',
    labelNames: ['method', 'route'],
    buckets,
    registers,
  });
  const refusals = new Counter({
    name: 'lightning_http_refusals_total',
    help: 'Requests that were refused, by the code in their answer.',
    labelNames: ['code'],
    registers,
  });
  const known = new Map<string, Series>();
  const codes = new Set<string>();

  const seriesOf = ({ method, route }: Pick<AnsweredRequest, 'method' | 'route'>): Series => {
    const key = `${method} ${route}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    // The last place is for the others.
    if (known.size >= mostRoutes - 1 && route !== others) return seriesOf({ method: 'OTHER', route: others });
    const made = { method, route, observe: durations.labels(method, route).observe };
    known.set(key, made);
    return made;
  };
  const codeOf = (code: string): string => {
    if (codes.has(code)) return code;
    if (codes.size >= mostCodes - 1) return others;
    codes.add(code);
    return code;
  };
  return (answered) => {
    const { kind, status, code, durationMs } = answered;
    const { method, route, observe } = seriesOf(answered);
    requests.inc({ method, route, status: `${Math.floor(status / 100)}xx` });
    if (kind === 'request') observe(durationMs / 1000);
    if (code !== null) refusals.inc({ code: codeOf(code) });
  };
}
