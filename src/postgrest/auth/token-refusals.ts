import type { TokenRefusal } from '../../auth/refused-token.ts';
import { RestError } from '../../rest/errors.ts';

/** A token's refusal in PostgREST's codes, messages and details (Errors, Group 3). */
export function restErrorOf(refusal: TokenRefusal): RestError {
  switch (refusal.kind) {
    case 'empty':
      return invalidToken('PGRST301', 'Empty JWT is sent in Authorization header');
    case 'parts':
      return invalidToken('PGRST301', `Expected 3 parts in JWT; got ${refusal.count}`);
    case 'broken':
      return invalidToken('PGRST301', 'JWT cryptographic operation failed');
    case 'unsigned':
      return invalidToken(
        'PGRST301',
        'Wrong or unsupported encoding algorithm',
        "JWT is unsecured but expected 'alg' was not 'none'",
      );
    case 'no-key':
    case 'keys-unknown':
      return noKey('No suitable key was found to decode the JWT');
    case 'wrong-key':
      return noKey('None of the keys was able to decode the JWT');
    case 'not-claims':
      return invalidToken('PGRST303', 'Parsing claims failed');
    case 'not-a-number':
      return invalidToken('PGRST303', `The JWT '${refusal.claim}' claim must be a number`);
    case 'expired':
    case 'no-exp':
    case 'lives-too-long':
      return invalidToken('PGRST303', 'JWT expired');
    case 'not-yet-valid':
      return invalidToken('PGRST303', 'JWT not yet valid');
    case 'issued-in-future':
      return invalidToken('PGRST303', 'JWT issued at future');
    case 'audience-malformed':
      return invalidToken('PGRST303', "The JWT 'aud' claim must be a string or an array of strings");
    case 'wrong-audience':
      return invalidToken('PGRST303', 'JWT not in audience');
    case 'wrong-issuer':
      return invalidToken('PGRST303', 'JWT not from the issuer');
    default:
      return refusal satisfies never;
  }
}

function noKey(details: string): RestError {
  return invalidToken('PGRST301', 'No suitable key or wrong key type', details);
}

/** The refusal with the header that announces it (RFC 6750, 3). */
function invalidToken(
  code: 'PGRST301' | 'PGRST303',
  message: string,
  details: string | null = null,
): RestError {
  return new RestError(code, message, {
    details,
    headers: [['WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`]],
  });
}
