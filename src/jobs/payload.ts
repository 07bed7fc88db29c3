import { OperationalError } from '../operational-error.ts';

/** A payload that a job cannot run with. The message says what is wrong with it. */
export class PayloadError extends OperationalError {
  override name = 'PayloadError';
}

/** Reads the payload of a job. Throws PayloadError. */
export type ParsePayload<Payload> = (payload: unknown) => Payload;

/** For jobs that take none. */
export const noPayload: ParsePayload<null> = (payload) => {
  payloadMembers(payload, []);
  return null;
};

/** The members of a payload: an object of these names and no others, or nothing at all. What the crontab adds is left out. */
export function payloadMembers<Name extends string>(
  payload: unknown,
  names: readonly Name[],
): Readonly<Partial<Record<Name, unknown>>> {
  const given = payload ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new PayloadError(`the payload is ${JSON.stringify(payload)}; an object is needed`);
  }
  const members: Partial<Record<Name, unknown>> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = names.find((known) => known === key);
    if (name !== undefined) members[name] = value;
    else if (key !== '_cron') {
      const known = names.length === 0 ? 'it takes none' : `known are ${names.join(', ')}`;
      throw new PayloadError(`the payload has a member ${JSON.stringify(key)}; ${known}`);
    }
  }
  return members;
}
