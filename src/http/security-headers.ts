/** A header of an answer. */
type Header = readonly [name: string, value: string];

/** What the headers depend on. */
export interface SecurityHeaderChoices {
  /** Whether clients come over HTTPS only, to this process or to the proxy in front. */
  readonly isHttps: boolean;
  /** Whether pages of every origin may use the API. */
  readonly isOpenToAll: boolean;
}

/** A year, as the preload lists ask for. Left out of it: subdomains, which may be somebody else's. */
const hsts: Header = ['Strict-Transport-Security', 'max-age=31536000'];

/**
 * Headers of every answer of every door. A page has a Content-Security-Policy of its own besides. Own lines instead of
 * helmet, which is a handler of Express and sets one header at a time: REST, refused upgrades and unreadable requests
 * never pass through Express.
 */
export function securityHeaders({ isHttps, isOpenToAll }: SecurityHeaderChoices): readonly Header[] {
  return [
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', 'no-referrer'],
    ['X-Frame-Options', 'DENY'],
    // For images and scripts that a page loads without CORS.
    ['Cross-Origin-Resource-Policy', isOpenToAll ? 'cross-origin' : 'same-origin'],
    ...(isHttps ? [hsts] : []),
  ];
}
