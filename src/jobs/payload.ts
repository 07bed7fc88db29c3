import { OperationalError } from '../operational-error.ts';

/** A job cannot run with this payload. The message says what is wrong with it. */
export class PayloadError extends OperationalError {
  override name = 'PayloadError';
}

/** Reads the payload of a job. Throws PayloadError. */
export type ParsePayload<Payload> = (payload: unknown) => Payload;

/** Parses the payload of a job that takes none. */
export const noPayload: ParsePayload<null> = (payload) => {
  payloadMembers(payload, []);
  return null;
};

/**
 * The members of a payload: an object with only these names, or nothing at all. The member that the crontab
 * adds is left out.
 */
export function payloadMembers<Name extends string>(
  payload: unknown,
  names: readonly Name[],
): Readonly<Partial<Record<Name, unknown>>> {
  const given = payload ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new PayloadError(`the payload is ${JSON.stringify(payload)}; expected an object`);
  }
  const members: Partial<Record<Name, unknown>> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = names.find((known) => known === key);
    if (name !== undefined) members[name] = value;
    else if (key !== '_cron') {
      const known = names.length === 0 ? 'expected none' : `expected one of ${names.join(', ')}`;
      throw new PayloadError(`the payload has a member ${JSON.stringify(key)}; ${known}`);
    }
  }
  return members;
}
