import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { access, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Secret } from '../../../src/config/secret.ts';
import { keep } from '../../../src/programs/keeper.ts';
import { debianPython } from '../debian-tools.ts';
import { freePort } from '../free-port.ts';
import type { ObjectStorage } from '../object-storage.ts';

/** OpenStack Swift through its S3 API: an independent object storage. */
export interface Swift extends ObjectStorage {
  readonly endpoint: string;
}

const script = fileURLToPath(new URL('serve.py', import.meta.url));
const bucket = 'backups';
const [accessKeyId, secretAccessKey] = ['lightning:backups', 'secret-of-the-test'];
const region = 'us-east-1';
const startTimeoutMs = 60_000;

/**
 * Starts a server with one empty bucket. It ends with this process, however that ends. `keysPerPage` is the page size
 * of a listing; the default is S3's, 1,000.
 */
export async function startSwift({ keysPerPage = 1_000 } = {}): Promise<Swift> {
  const directory = await mkdtemp(join(await fastDirectory(), 'lightning-swift-'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await keep({
    directory,
    program: debianPython,
    args: [
      script,
      directory,
      String(port),
      accessKeyId,
      secretAccessKey,
      `max_bucket_listing=${keysPerPage}`,
    ],
    user: undefined,
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
  });
  const client = new S3Client({
    endpoint,
    forcePathStyle: true,
    region,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  });
  const deadline = performance.now() + startTimeoutMs;
  for (let made = false; !made;) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      made = true;
    } catch (error) {
      if (server.hasEnded() || performance.now() > deadline) {
        const log = await server.log();
        await server.stop();
        throw new Error(`Swift did not come up; the end of its log:\n${log}`, { cause: error });
      }
      await sleep(50);
    }
  }
  client.destroy();
  server.unref();
  let prefixes = 0;
  return {
    endpoint,
    location: () => ({
      kind: 's3',
      bucket,
      prefix: `p${++prefixes}/`,
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null },
    }),
    stop: server.stop,
  };
}

/** A directory in memory, where there is one: Swift syncs each object and each entry of a listing. */
async function fastDirectory(): Promise<string> {
  const memory = '/dev/shm';
  return access(memory).then(
    () => memory,
    () => tmpdir(),
  );
}
