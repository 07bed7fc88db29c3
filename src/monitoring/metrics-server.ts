import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endServer } from '../http/end-server.ts';
import { arrivalLimits, cutOffUnread, defaultHttpLimits } from '../http/limits.ts';
import type { Log } from '../log.ts';
import { repeat } from '../repeat.ts';

/** The address of /metrics, and its text. */
export interface MetricsServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly contentType: string;
  /** The text of a scrape. One runs at a time, and requests that come meanwhile get the same. */
  readonly scrape: () => Promise<string>;
  readonly log: Log;
  /** Pause before an address that was taken is tried again. Default: 15 s, as often as Prometheus looks. */
  readonly retryMs?: number;
}

/** Prometheus has one, people have a few. */
const mostConnections = 50;
/** Scrapes under way have this long at the end. */
const endMs = 1_000;

/**
 * Serves `/metrics` on an address of its own. The program does not depend on it: an address that is taken is a warning, and is tried again
 * until it is free. `stop` ends it.
 */
export function startMetricsServer(options: MetricsServerOptions): { stop(): Promise<void> } {
  const { host, port, log, retryMs = 15_000 } = options;
  const server = createServer(arrivalLimits(defaultHttpLimits), answering(options));
  server.maxConnections = mostConnections;
  cutOffUnread(server, defaultHttpLimits, () => {});
  // An address that is taken is an event before it is a rejection of `once`.
  server.on('error', () => {});
  let said = false;
  const listening = repeat(
    async () => {
      if (server.listening) return;
      server.listen(port, host);
      await once(server, 'listening');
      const { port: taken } = server.address() as AddressInfo;
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${taken}/metrics`;
      log({ level: 'info', event: 'metrics-listening', message: `metrics for Prometheus on ${url}`, url });
    },
    retryMs,
    (error) => {
      if (said) return;
      said = true;
      log({
        level: 'warning',
        event: 'metrics-not-listening',
        message: `no metrics for now: ${error instanceof Error ? error.message : String(error)}; set METRICS_PORT to a free port, or to off`,
      });
    },
  );
  return {
    stop: async () => {
      await listening.stop();
      await endServer(server, endMs);
    },
  };
}

function answering({ contentType, scrape, log }: MetricsServerOptions): RequestListener {
  let scraping: Promise<string> | null = null;
  const shared = (): Promise<string> =>
    (scraping ??= scrape().finally(() => {
      scraping = null;
    }));
  return (request, response) => {
    const refuse = (status: number, text: string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }).end(text);
    };
    if (request.url?.split('?')[0] !== '/metrics') return refuse(404, 'the metrics are at /metrics\n');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(405, 'GET /metrics\n', { Allow: 'GET, HEAD' });
    shared().then(
      (text) => {
        response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) });
        response.end(request.method === 'HEAD' ? undefined : text);
      },
      (error: unknown) => {
        log({ level: 'error', event: 'metrics-failed', message: String(error) });
        refuse(500, 'the metrics could not be gathered; the log says why\n');
      },
    );
  };
}
