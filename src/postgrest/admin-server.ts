import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { NetConnectOpts } from 'node:net';
import { arrivalLimits, defaultHttpLimits } from '../http/limits.ts';
import { isWithin } from '../within.ts';
import { metricsText } from './metrics.ts';
import type { MetricsSources } from './metrics.ts';
import { schemaCacheJson } from './schema-cache-json.ts';
import type { PostgrestService } from './service.ts';

/** The parts of the admin server. */
export interface AdminSources extends MetricsSources {
  readonly service: PostgrestService;
  /** The API's server; it may not listen yet. */
  readonly api: Server;
}

const answersWithinMs = 1_000;

/**
 * Makes the admin server (PostgREST, Admin Server): `/live` says whether the API accepts connections, `/ready`
 * whether it can also answer requests; `/metrics` and `/schema_cache` return what their names say. The server does
 * not listen yet.
 */
export function makeAdminServer(sources: AdminSources): Server {
  return createServer(arrivalLimits(defaultHttpLimits), (request, response) => {
    void answer(request.url ?? '/', sources).then(({ status, contentType, body }) => {
      response.writeHead(status, contentType === undefined ? {} : { 'Content-Type': contentType });
      response.end(request.method === 'HEAD' ? undefined : body);
    });
  });
}

interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly body?: string;
}

async function answer(url: string, sources: AdminSources): Promise<Answer> {
  const { service, api } = sources;
  switch (url.split('?')[0]) {
    case '/live':
      return { status: (await isLive(api)) ? 200 : 500 };
    case '/ready':
      if (!service.isReady || !(await answers(service))) return { status: 503 };
      return { status: (await isLive(api)) ? 200 : 500 };
    case '/metrics':
      return { status: 200, contentType: 'text/plain; charset=utf-8', body: metricsText(sources) };
    case '/schema_cache':
      return {
        status: 200,
        contentType: 'application/json; charset=utf-8',
        body: service.schemaCache === null ? '' : schemaCacheJson(service.schemaCache),
      };
    default:
      return { status: 404 };
  }
}

/**
 * Whether the database answers. A process that listens for notifications notices a lost connection itself; any other
 * has to ask.
 */
async function answers(service: PostgrestService): Promise<boolean> {
  if (service.config.database.channelEnabled) return true;
  try {
    return await isWithin(answersWithinMs, service.database.query({ text: 'select 1' }));
  } catch {
    return false;
  }
}

/** Whether a connection can be made. A socket whose file was removed still listens, but no client gets through. */
function isLive(api: Server): Promise<boolean> {
  const address = api.address();
  if (address === null) return Promise.resolve(false);
  let options: NetConnectOpts;
  if (typeof address === 'string') options = { path: address };
  else {
    // A server that listens on every address also listens on the loopback one.
    const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.address] ?? address.address;
    options = { host, port: address.port };
  }
  return new Promise((resolve) => {
    const socket = connect({ ...options, timeout: answersWithinMs });
    const end = (live: boolean) => {
      socket.destroy();
      resolve(live);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}
