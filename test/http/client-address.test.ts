import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { makeClientAddresses } from '../../src/http/client-address.ts';

const proxies = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'];

function addressOf(remoteAddress: string, forwarded?: string, trusted: readonly string[] = proxies): string {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return makeClientAddresses(trusted).of({
    socket: { remoteAddress },
    headers,
  } as unknown as IncomingMessage);
}

test.each([
  // Nobody but a proxy is believed.
  ['198.51.100.1', '203.0.113.9', '198.51.100.1'],
  ['10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['192.0.2.7', '203.0.113.9', '203.0.113.9'],
  ['192.0.2.8', '203.0.113.9', '192.0.2.8'],
  ['2001:db8::1', '203.0.113.9', '203.0.113.9'],
  // What a client wrote itself stands before what the proxies wrote.
  ['10.1.2.3', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
  ['10.1.2.3', '1.1.1.1, 203.0.113.9, 10.9.9.9', '203.0.113.9'],
  ['10.1.2.3', '203.0.113.9, 10.9.9.9', '203.0.113.9'],
  // Nonsense ends the search.
  ['10.1.2.3', 'unknown', '10.1.2.3'],
  ['10.1.2.3', '203.0.113.9, nonsense', '10.1.2.3'],
  ['10.1.2.3', '', '10.1.2.3'],
  // One machine has a whole /64.
  ['2a01:4f8:1:2:3:4:5:6', undefined, '2a01:4f8:1:2::/64'],
  ['2a01:4f8:1:2::9', undefined, '2a01:4f8:1:2::/64'],
  ['2a01:04f8::1', undefined, '2a01:4f8:0:0::/64'],
  ['::1', undefined, '0:0:0:0::/64'],
  ['fe80::1%eth0', undefined, 'fe80:0:0:0::/64'],
  ['::ffff:198.51.100.1', undefined, '198.51.100.1'],
])('%s with X-Forwarded-For %s counts as %s', (remote, forwarded, address) => {
  expect(addressOf(remote, forwarded)).toBe(address);
});

test('without configured proxies the header changes nothing', () => {
  expect(addressOf('10.1.2.3', '203.0.113.9', [])).toBe('10.1.2.3');
});

test('a list that names no addresses is refused with its entry', () => {
  for (const entry of ['proxy.example', '10.0.0.0/33', '10.0.0.0/x', '2001:db8::/129']) {
    expect(() => parseConfig({ TRUSTED_PROXIES: `10.0.0.1, ${entry}` })).toThrow(entry);
  }
});
