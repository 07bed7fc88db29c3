/** The path of REST: PostgREST's clients append it to the address that they are given. */
export const restPath = '/rest/v1';

/**
 * The parts of the address that clients see behind a proxy (PUBLIC_URL, without a trailing slash); null: the one that they ask.
 */
export function publicAddress(publicUrl: string | null): {
  /** The part of the path that the proxy removes, without a trailing slash; mostly empty. */
  readonly basePath: string;
  readonly origin: string | null;
  readonly restUrl: string | null;
} {
  if (publicUrl === null) return { basePath: '', origin: null, restUrl: null };
  const { pathname, origin } = new URL(publicUrl);
  return { basePath: pathname.replace(/\/$/, ''), origin, restUrl: publicUrl + restPath };
}
