import type { ConformanceCase, Exchange } from './conformance-case.ts';

/**
 * A request that differs from another one only in values: those of comparisons in the query, and those of the keys
 * of a JSON body. Whatever a server remembers of the one must not show in the answer to the other. Null when the
 * request has no such values, or might leave something behind.
 */
export function siblingOf({ options }: ConformanceCase, exchange: Exchange): Exchange | null {
  if (options.has('db-tx-end')) return null;
  const target = exchange.target.replaceAll(
    /([?&;][A-Za-z0-9_]+=(?:eq|neq|gt|gte|lt|lte)\.)[^&;]*/g,
    '$1nothing like it',
  );
  const body = exchange.body === null ? null : otherValues(exchange.body);
  return target === exchange.target && body === exchange.body ? null : { ...exchange, target, body };
}

function otherValues(body: string): string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return body;
  }
  const others = (of: unknown) =>
    typeof of === 'object' && of !== null && !Array.isArray(of)
      ? Object.fromEntries(Object.keys(of).map((key) => [key, 'nothing like it']))
      : of;
  return JSON.stringify(Array.isArray(value) ? value.map(others) : others(value));
}
