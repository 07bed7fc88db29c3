import { OperationalError } from '../operational-error.ts';

/** The reason why a JWT is refused. Each program has its own words for it. */
export type TokenRefusal =
  | { readonly kind: 'empty' }
  | { readonly kind: 'parts'; readonly count: number }
  /** It is not made as a JWT is, or its header asks for something that is not supported. */
  | { readonly kind: 'broken' }
  | { readonly kind: 'unsigned' }
  /** No key has its `kid` and its algorithm. */
  | { readonly kind: 'no-key' }
  /** No key that fits has made its signature. */
  | { readonly kind: 'wrong-key' }
  /** The set of keys that may have its key was never read. */
  | { readonly kind: 'keys-unknown' }
  /** Signed, but not with an object of claims. */
  | { readonly kind: 'not-claims' }
  | { readonly kind: 'not-a-number'; readonly claim: 'exp' | 'nbf' | 'iat' }
  | { readonly kind: 'expired'; readonly at: number }
  | { readonly kind: 'not-yet-valid'; readonly from: number }
  | { readonly kind: 'issued-in-future' }
  | { readonly kind: 'no-exp' }
  | { readonly kind: 'lives-too-long'; readonly seconds: number; readonly most: number }
  | { readonly kind: 'audience-malformed' }
  | { readonly kind: 'wrong-audience' }
  | { readonly kind: 'wrong-issuer' };

/** A JWT is refused. */
export class RefusedToken extends OperationalError {
  override name = 'RefusedToken';
  readonly refusal: TokenRefusal;

  constructor(refusal: TokenRefusal) {
    super(`the token is refused: ${refusal.kind}`);
    this.refusal = refusal;
  }
}
