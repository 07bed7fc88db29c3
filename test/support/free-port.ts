import { once } from 'node:events';
import { createServer } from 'node:net';

/** A TCP port of 127.0.0.1 on which no process listens now. Another process may take it first. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1');
  return address.port;
}
