import { ConfigError } from '../config/parse-config.ts';
import type { Log } from '../log.ts';
import { OperationalError } from '../operational-error.ts';
import { dumpConfig } from '../postgrest/dump-config.ts';
import { exampleConfig } from '../postgrest/example-config.ts';
import { schemaCacheJson } from '../postgrest/schema-cache-json.ts';
import { PostgrestService } from '../postgrest/service.ts';
import { readRestConfig, reloadRestConfig } from './rest-server.ts';
import { UsageError } from './usage-error.ts';

export { exampleConfig };

/** Longest wait of `--ready` for the admin server, which itself waits for a second. */
const readyWithinMs = 5_000;

/** The sources of a configuration. */
export interface RestSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: string | undefined;
}

/** The configuration in effect, including the settings in the database if it can be reached. */
export async function dumpRestConfig(source: RestSource & { readonly log: Log }): Promise<string> {
  const { config } = readRestConfig(source);
  if (!config.database.configInDatabase) return dumpConfig(config);
  return withService(source, async (service) => dumpConfig(service.config));
}

/** The snapshot of the catalog as JSON. Rejects when the catalog cannot be read. */
export async function dumpRestSchema(source: RestSource & { readonly log: Log }): Promise<string> {
  return withService(source, async (service) => {
    if (service.schemaCache === null) throw new UsageError('the catalog could not be read; the log says why');
    return schemaCacheJson(service.schemaCache);
  });
}

/** Asks the admin server of a running `lightning rest` with the same configuration. Rejects unless it is ready. */
export async function askReady(source: RestSource): Promise<string> {
  const { host, port } = readRestConfig(source).config.admin;
  if (port === null) {
    throw new ConfigError([
      'PGRST_ADMIN_SERVER_PORT is not set: `lightning rest` runs its admin server only with it',
    ]);
  }
  if (['*', '*4', '!4', '*6', '!6'].includes(host)) {
    throw new ConfigError([
      `PGRST_ADMIN_SERVER_HOST or PGRST_SERVER_HOST is ${host}, which means any address; --ready needs a single one, such as 127.0.0.1`,
    ]);
  }
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/ready`;
  let status: number;
  try {
    ({ status } = await fetch(url, { signal: AbortSignal.timeout(readyWithinMs) }));
  } catch (error) {
    throw new NotReady(`connection refused to ${url}`, { cause: error });
  }
  if (status !== 200) throw new NotReady(`${url} answers ${status}`);
  return `OK: ${url}`;
}

/** A `lightning rest` is not running, or cannot answer requests. */
export class NotReady extends OperationalError {
  override name = 'NotReady';
}

async function withService<T>(
  source: RestSource & { readonly log: Log },
  work: (service: PostgrestService) => Promise<T>,
): Promise<T> {
  const { config, target } = readRestConfig(source);
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const service = new PostgrestService({
    config,
    target,
    readConfig: (database) => reloadRestConfig(source, database),
    log: source.log,
    onFatal: fail,
  });
  try {
    await Promise.race([service.attempted, failed]);
    return await work(service);
  } finally {
    await service.close();
  }
}
