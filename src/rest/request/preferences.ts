import { decodeHeader } from './percent-encoding.ts';
import type { Preferences } from './query.ts';

/**
 * Reads the Prefer header (PostgREST, Prefer Header). `tx` counts only if the transaction's end may be overridden,
 * and is never invalid. Throws nothing: unknown preferences are listed.
 */
export function parsePreferences(header: string | undefined, allowTransaction: boolean): Preferences {
  if (header === undefined || header === '') return noPreferences;
  const stated = decodeHeader(header)
    .split(',')
    .map((preference) => preference.trim());
  return {
    resolution: first(stated, 'resolution', ['merge-duplicates', 'ignore-duplicates']),
    representation: fromReturn(first(stated, 'return', ['representation', 'minimal', 'headers-only'])),
    count: first(stated, 'count', ['exact', 'planned', 'estimated']),
    transaction: allowTransaction ? first(stated, 'tx', ['commit', 'rollback']) : null,
    missing: first(stated, 'missing', ['default', 'null']),
    handling: first(stated, 'handling', ['strict', 'lenient']),
    timezone: firstOf(stated, 'timezone='),
    maxAffected: wholeNumber(firstOf(stated, 'max-affected=')),
    invalid: stated.filter((preference) => !isKnown(preference)),
  };
}

const noPreferences: Preferences = {
  resolution: null,
  representation: null,
  count: null,
  transaction: null,
  missing: null,
  handling: null,
  timezone: null,
  maxAffected: null,
  invalid: [],
};

const known = new Set([
  'resolution=merge-duplicates',
  'resolution=ignore-duplicates',
  'return=representation',
  'return=minimal',
  'return=headers-only',
  'count=exact',
  'count=planned',
  'count=estimated',
  'tx=commit',
  'tx=rollback',
  'missing=default',
  'missing=null',
  'handling=strict',
  'handling=lenient',
]);

function isKnown(preference: string): boolean {
  return (
    known.has(preference) || preference.startsWith('timezone=') || preference.startsWith('max-affected=')
  );
}

function first<T extends string>(stated: readonly string[], name: string, values: readonly T[]): T | null {
  for (const preference of stated) {
    const value = values.find((each) => preference === `${name}=${each}`);
    if (value !== undefined) return value;
  }
  return null;
}

function firstOf(stated: readonly string[], prefix: string): string | null {
  return stated.find((preference) => preference.startsWith(prefix))?.slice(prefix.length) ?? null;
}

function fromReturn(
  value: 'representation' | 'minimal' | 'headers-only' | null,
): Preferences['representation'] {
  return value === 'representation' ? 'full' : value;
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\s*-?[0-9]+\s*$/.test(text) ? Number(text) : null;
}
