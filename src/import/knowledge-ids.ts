import { isExactNumber, isJsonObject } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { sha256 } from './sha256.ts';

/** The ids under which one item of knowledge may be stored. */
export interface KnowledgeIds {
  /**
   * SHA-256 of the item. It differs from that of every other item, and is the same in every import. Kept in the
   * metadata.
   */
  readonly identity: string;
  /** The id in the file. */
  readonly plainId: string;
  /** An id derived from the item itself, used when another item has the plain one. */
  readonly derivedId: string;
  /** Whether this item is first in line for its plain id, among the folder's items with that id. */
  readonly first: boolean;
}

/** The parts of an item that its identity depends on. */
export interface IdentifiedItem {
  readonly agentId: string;
  readonly id: string;
  readonly value: { readonly [key: string]: JsonValue };
}

/** Counters that the legacy system keeps changing. They do not affect an item's identity. */
const counters: ReadonlySet<string> = new Set(['usage_count', 'relevance_score']);
const longestId = 100;
const suffixLength = 16;

/**
 * The ids of a folder's items, in their order. An identity is a hash of the agent and the whole item without
 * its counters. If several items of an agent share it, the second and later ones are distinguished by a number,
 * in the order of their counters. The item with the smallest hash is first in line for an id. So nothing
 * depends on the order of items or files. The store's SQL then takes account of rows in the database: an item
 * that is stored stays where it is.
 */
export function knowledgeIds(items: readonly IdentifiedItem[]): KnowledgeIds[] {
  const bases = items.map(({ agentId, value }) => ({
    base: sha256(`${agentId}\n${canonical(withoutCounters(value))}`),
    whole: sha256(canonical(value)),
  }));
  const order = items.map((_, i) => i).sort((a, b) => compare(bases[a]?.whole, bases[b]?.whole) || a - b);
  const seen = new Map<string, number>();
  const identities: string[] = [];
  const smallest = new Map<string, string>();
  for (const i of order) {
    const base = bases[i]?.base ?? '';
    const number = seen.get(base) ?? 0;
    seen.set(base, number + 1);
    const identity = number === 0 ? base : sha256(`${base}\n${number}`);
    identities[i] = identity;
    const id = items[i]?.id ?? '';
    // Among equal items the one without a number comes first, whatever the hashes say, so that a later import of
    // fewer items finds it there.
    const rank = `${number === 0 ? 0 : 1}${identity}`;
    const best = smallest.get(id);
    if (best === undefined || rank < best) smallest.set(id, rank);
  }
  return items.map(({ id }, i) => {
    const identity = identities[i] ?? '';
    return {
      identity,
      plainId: id,
      derivedId: `${[...id].slice(0, longestId - suffixLength - 1).join('')}~${identity.slice(0, suffixLength)}`,
      first: smallest.get(id)?.slice(1) === identity,
    };
  });
}

/**
 * The canonical text of a value: keys in order, and `1.0` as `1`, because other writers of JSON turn it into
 * that.
 */
export function canonical(value: JsonValue): string {
  if (isExactNumber(value)) return value.rawJSON.replace(/^(-?\d+)\.0+$/, '$1');
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => compare(a, b));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}

function withoutCounters(value: IdentifiedItem['value']): IdentifiedItem['value'] {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !counters.has(key)));
}

function compare(a = '', b = ''): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
