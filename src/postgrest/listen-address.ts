import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';

/** Where a server listens: at its socket if it has one, otherwise at host and port. */
export interface ListenAddress {
  /** A name, an address, or one of PostgREST's names for every address: `*`, `*4`, `!4`, `*6`, `!6`. */
  readonly host: string;
  /** 0: any free port. Null: no port. */
  readonly port: number | null;
  /** Whether other processes may listen on the same port; the system then distributes the connections. */
  readonly reusePort: boolean;
  readonly socket: string | null;
  /** File mode of the socket. */
  readonly socketMode: number;
}

/** Whether the server has a port or a socket to listen on. */
export function hasAddress({ port, socket }: ListenAddress): boolean {
  return port !== null || socket !== null;
}

/** node:net's options for PostgREST's names of every address (PostgREST, Configuration, server-host). */
const anyAddress: Readonly<Record<string, ListenOptions>> = {
  '*': { host: '::' },
  '*4': { host: '::' },
  '!4': { host: '0.0.0.0' },
  '*6': { host: '::' },
  '!6': { host: '::', ipv6Only: true },
};

/**
 * Starts to listen and returns the address in readable form: `http://127.0.0.1:3000`, or the socket's path. A socket
 * left by an earlier process is replaced; any other file is not. Rejects when the address is not available
 * (EADDRINUSE, EACCES).
 */
export async function listenAt(server: Server, address: ListenAddress): Promise<string> {
  if (address.socket !== null) {
    await removeSocket(address.socket);
    await listen(server, { path: address.socket });
    await chmod(address.socket, address.socketMode);
    return address.socket;
  }
  const any = anyAddress[address.host];
  const options = { port: address.port ?? 0, reusePort: address.reusePort };
  try {
    await listen(server, { ...options, ...(any ?? { host: address.host }) });
  } catch (error) {
    // On a machine without IPv6, every address means every IPv4 address.
    const withoutIpv6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(
      (error as NodeJS.ErrnoException).code ?? '',
    );
    if (!withoutIpv6 || any?.host !== '::' || any.ipv6Only) throw error;
    await listen(server, { ...options, host: '0.0.0.0' });
  }
  const { address: host, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`;
}

async function listen(server: Server, options: ListenOptions): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(options);
  await listening;
}

async function removeSocket(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isSocket()) await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
