import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { blockListOf } from '../config/proxy-list.ts';

/** Tells the address that a request counts for. */
export interface ClientAddresses {
  of(request: IncomingMessage): string;
  /** The same for a connection, before anything was read from it. */
  ofSocket(remoteAddress: string | undefined): string;
  isProxy(remoteAddress: string | undefined): boolean;
}

/**
 * The address of a client: that of its connection, or, when the connection comes from one of these proxies, what the
 * header X-Forwarded-For says. Anybody can write that header, so it is read from its end, where the proxies write, and
 * counts as far as the first address that is not a proxy's. An IPv6 address counts as its /64, because one machine has
 * all of it.
 *
 * @param trusted addresses and networks, as `proxyProblem` accepts them
 */
export function makeClientAddresses(trusted: readonly string[]): ClientAddresses {
  const list = blockListOf(trusted);
  const isProxy = (address: string | undefined): boolean => {
    if (trusted.length === 0 || address === undefined) return false;
    const plain = withoutMapping(address);
    const family = isIP(plain);
    return family > 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
  const ofSocket = (address: string | undefined): string => networkOf(address ?? '');
  return {
    of: ({ socket: { remoteAddress }, headers }) => {
      const forwarded = headers['x-forwarded-for'];
      if (!isProxy(remoteAddress) || typeof forwarded !== 'string') return ofSocket(remoteAddress);
      let client = remoteAddress;
      for (const written of forwarded.split(',').toReversed()) {
        const address = written.trim();
        if (isIP(address) === 0) break;
        client = address;
        if (!isProxy(address)) break;
      }
      return ofSocket(client);
    },
    ofSocket,
    isProxy,
  };
}

/** IPv4 as a socket of IPv6 writes it. */
function withoutMapping(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}

function networkOf(address: string): string {
  const plain = withoutMapping(address);
  if (!plain.includes(':')) return plain;
  const [before = '', after] = plain.replace(/%.*$/, '').split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : Math.max(8 - left.length - right.length, 0);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}
