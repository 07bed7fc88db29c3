import { createHmac } from 'node:crypto';
import { conformanceSecret } from './configuration.ts';
import type { Caller } from './conformance-case.ts';

/** The Authorization header of a caller; null means none. `now` in milliseconds. */
export function authorizationOf(caller: Caller, now: number): string | null {
  switch (caller.kind) {
    case 'anonymous':
      return null;
    case 'authorization':
      return caller.value;
    case 'claims':
      return `Bearer ${sign(atTime(caller.claims, Math.floor(now / 1000)))}`;
    default:
      return caller satisfies never;
  }
}

/** Turns times such as `"+60"` and `"-60"` into seconds since the epoch. */
function atTime(claims: Readonly<Record<string, unknown>>, now: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) => [
      name,
      typeof value === 'string' && /^[+-]\d+$/.test(value) ? now + Number(value) : value,
    ]),
  );
}

/** Signs with HS256 by hand, because some cases have claims that a library refuses to sign. */
function sign(claims: Readonly<Record<string, unknown>>): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', conformanceSecret).update(signed).digest('base64url')}`;
}
