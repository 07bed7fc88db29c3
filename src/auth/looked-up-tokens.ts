import { BoundedMap } from '../bounded-map.ts';
import { AppError } from '../errors.ts';
import type { Claims } from './claims.ts';
import type { VerifyToken } from './jwt.ts';
import { TokenError } from './token-error.ts';

/** What a token opens, as the database says. */
export interface LookedUp {
  readonly claims: Claims;
  /** Milliseconds since the epoch; Infinity: never. */
  readonly expiresAt: number;
}

/** A kind of token that is looked up in the database, because it is not signed. */
export interface LookedUpKind {
  /** Whether a token can be of this kind at all. What cannot is refused without a question to the database. */
  readonly hasForm: (token: string) => boolean;
  /** What these tokens open, in their order; null: nothing. Rejects with the database's error. */
  readonly lookUp: (tokens: readonly string[]) => Promise<readonly (LookedUp | null)[]>;
  /** Most tokens of one statement. */
  readonly mostPerLook: number;
  /** The refusal of a token without the form. */
  readonly malformed: string;
  /** The refusal of a token that opens nothing, which does not reveal whether it ever did. */
  readonly ended: { readonly code: 'SESSION_ENDED' | 'KEY_ENDED'; readonly message: string };
}

/** Number of tokens remembered at a time. */
const maxRemembered = 10_000;

/**
 * How long a revoked token may still open the API. A look-up is remembered for this long; otherwise every request
 * would look.
 */
const rememberedMs = 1_000;

/** Most statements at a time about tokens that this process has not seen open anything. */
const strangerLooks = 4;
/** Most such tokens that wait for their look-up. More are refused, so that they fill no memory. */
const mostWaiting = 1_000;

/**
 * Turns tokens of a kind into claims. What a token opens counts for a second, or until it expires. Rejects with
 * TokenError, with AppError DATABASE_BUSY when too many unknown tokens wait, or with the database's error.
 *
 * A token that opened something a while ago never waits behind those that nobody has seen open anything: guesses have a
 * line of their own, and only a few statements at a time are about them, each about many. They are never remembered.
 *
 * @param now milliseconds since the epoch; a parameter so that tests can move the clock
 */
export function makeVerifyLookedUp(kind: LookedUpKind, now: () => number = Date.now): VerifyToken {
  const remembered = new BoundedMap<string, { readonly found: LookedUp; readonly until: number }>(
    maxRemembered,
  );
  /** Simultaneous requests share a look-up. */
  const underWay = new Map<string, Promise<LookedUp | null>>();
  const acquaintances = new LookUpLine(kind, Infinity, Infinity);
  const strangers = new LookUpLine(kind, strangerLooks, mostWaiting);

  const look = (token: string, line: LookUpLine): Promise<LookedUp | null> => {
    // The second counts from before the look-up, so a revocation after it takes effect within the second.
    const until = now() + rememberedMs;
    const looking = line
      .find(token)
      .then((found) => {
        if (found === null) remembered.delete(token);
        else remembered.set(token, { found, until });
        return found;
      })
      .finally(() => underWay.delete(token));
    underWay.set(token, looking);
    return looking;
  };

  return async (token) => {
    const known = remembered.get(token);
    if (known && now() < known.until) return claimsOf(known.found, kind, now());
    if (!known && !kind.hasForm(token)) throw new TokenError('TOKEN_MALFORMED', kind.malformed);
    const found = await (underWay.get(token) ?? look(token, known ? acquaintances : strangers));
    return claimsOf(found, kind, now());
  };
}

function claimsOf(found: LookedUp | null, { ended }: LookedUpKind, now: number): Claims {
  if (found === null || found.expiresAt <= now) throw new TokenError(ended.code, ended.message);
  return found.claims;
}

interface Waiting {
  readonly token: string;
  readonly resolve: (found: LookedUp | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Tokens that wait for their look-up. What comes while all statements are under way goes into the next one together. */
class LookUpLine {
  readonly #kind: LookedUpKind;
  readonly #mostLooks: number;
  readonly #mostWaiting: number;
  readonly #waiting: Waiting[] = [];
  #looks = 0;

  constructor(kind: LookedUpKind, mostLooks: number, longest: number) {
    this.#kind = kind;
    this.#mostLooks = mostLooks;
    this.#mostWaiting = longest;
  }

  find(token: string): Promise<LookedUp | null> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= this.#mostWaiting) {
        reject(new AppError('DATABASE_BUSY', 'too many unknown tokens wait to be looked up; try again'));
        return;
      }
      this.#waiting.push({ token, resolve, reject });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#looks < this.#mostLooks && this.#waiting.length > 0) {
      this.#looks += 1;
      void this.#look(this.#waiting.splice(0, this.#kind.mostPerLook)).finally(() => {
        this.#looks -= 1;
        this.#begin();
      });
    }
  }

  async #look(batch: readonly Waiting[]): Promise<void> {
    try {
      const found = await this.#kind.lookUp(batch.map(({ token }) => token));
      for (const [i, { resolve }] of batch.entries()) resolve(found[i] ?? null);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
