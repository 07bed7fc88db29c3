import { BlockList, isIP } from 'node:net';

/** What is wrong with an entry of a list of proxies; null: nothing. */
export function proxyProblem(entry: string): string | null {
  try {
    blockListOf([entry]);
    return null;
  } catch {
    return `expected an address or a network such as 10.0.0.0/8, not ${JSON.stringify(entry)}`;
  }
}

/** The list of these addresses and networks. Throws for an entry that is neither. */
export function blockListOf(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const most = family === 'ipv6' ? 128 : 32;
    if (bits !== undefined && !/^\d{1,3}$/.test(bits)) throw new Error('the bits of a network are a number');
    list.addSubnet(address, bits === undefined ? most : Number(bits), family);
  }
  return list;
}
