import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHandler } from 'express';

type Header = readonly [name: string, value: string];

/** The headers that tell a browser whether a page of another origin may make this request. */
export interface CorsAnswer {
  /** All headers of the answer to a preflight, which is 200 without a body; null: the request is not a preflight. */
  readonly preflight: readonly Header[] | null;
  /** Headers for the answer to the request itself, whatever its status. */
  readonly headers: readonly Header[];
  /** Further headers for an OPTIONS request that succeeds and is not a preflight. */
  readonly onOptions: readonly Header[];
}

/** Judges a request by its method and headers. */
export type CrossOrigin = (method: string, headers: IncomingHttpHeaders) => CorsAnswer;

/** The pages that may use the API: one setting for every door. */
export interface CorsPolicy {
  readonly crossOrigin: CrossOrigin;
  /** Browsers open a WebSocket without a preflight, so the server has to check the Origin itself. */
  readonly allowsWebSocket: (headers: IncomingHttpHeaders) => boolean;
  /** Headers for the answer to a request that could not be read, and whose origin is unknown. */
  readonly unreadable: readonly Header[];
}

/** A day; Chromium remembers a preflight for two hours at most. */
const maxAgeSeconds = '86400';

const methods: readonly string[] = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'];

/**
 * The headers of an answer that a page may read. The star stands for all headers, including those that a function
 * sets, in requests without credentials, which are nearly all; the names serve the rest.
 */
const exposedHeaders = [
  '*',
  'Allow',
  'Content-Encoding',
  'Content-Location',
  'Content-Profile',
  'Content-Range',
  'Date',
  'Lightning-Storage',
  'Location',
  'Next-Cursor',
  'Preference-Applied',
  'Proxy-Status',
  'Retry-After',
  'Server-Timing',
  'Warning',
  'WWW-Authenticate',
  'X-Request-Id',
].join(', ');

/**
 * Cross-origin resource sharing (Fetch, CORS protocol) for all doors alike. Credentials never come from a cookie, so
 * a page can do only what its own token allows; the list turns away pages that should not even try.
 *
 * @param allowedOrigins as browsers write them, without a trailing slash; null: every origin, without credentials
 * @param publicOrigin the origin of this server's own pages, if a proxy changes the Host header; null: it does not
 * @param always further headers for every answer, whoever asks
 */
export function makeCorsPolicy(
  allowedOrigins: readonly string[] | null,
  publicOrigin: string | null = null,
  always: readonly Header[] = [],
): CorsPolicy {
  const vary: readonly Header[] = [
    ...always,
    ...(allowedOrigins === null ? [] : [['Vary', 'Origin'] as const]),
  ];
  const allowed = (origin: string): readonly Header[] | null => {
    if (allowedOrigins === null) return [['Access-Control-Allow-Origin', '*']];
    if (!allowedOrigins.includes(origin)) return null;
    return [
      ['Access-Control-Allow-Origin', origin],
      ['Access-Control-Allow-Credentials', 'true'],
    ];
  };
  const plain = (headers: readonly Header[]): CorsAnswer => ({ preflight: null, headers, onOptions: [] });

  return {
    crossOrigin: (method, headers) => {
      const { origin } = headers;
      const allow = origin === undefined ? null : allowed(origin);
      if (allow === null) return plain(vary);
      const asked = headers['access-control-request-method'];
      if (method === 'OPTIONS' && asked !== undefined && methods.includes(asked)) {
        return { preflight: preflightHeaders([...allow, ...vary], headers), headers: [], onOptions: [] };
      }
      return plain([
        ...allow,
        ['Access-Control-Expose-Headers', exposedHeaders],
        // Lets the page's performance.getEntries() see Server-Timing.
        ['Timing-Allow-Origin', allowedOrigins === null ? '*' : (origin ?? '')],
        ...vary,
      ]);
    },
    allowsWebSocket: (headers) => {
      const { origin, host } = headers;
      if (origin === undefined || allowed(origin) !== null) return true;
      // The pages that this server serves itself, GraphiQL among them.
      if (origin === publicOrigin) return true;
      return host !== undefined && URL.parse(origin)?.host === host.toLowerCase();
    },
    unreadable: [
      ...always,
      ...(allowedOrigins === null ? [['Access-Control-Allow-Origin', '*'] as const] : []),
    ],
  };
}

/** A policy that another one replaces while requests run. */
export interface RenewableCorsPolicy extends CorsPolicy {
  renew(next: CorsPolicy): void;
}

/** Makes a policy that can be replaced. */
export function renewableCors(first: CorsPolicy): RenewableCorsPolicy {
  let current = first;
  return {
    crossOrigin: (method, headers) => current.crossOrigin(method, headers),
    allowsWebSocket: (headers) => current.allowsWebSocket(headers),
    get unreadable() {
      return current.unreadable;
    },
    renew: (next) => {
      current = next;
    },
  };
}

/** Answers preflights, and sets the cross-origin headers of other answers. */
export function withCors({ crossOrigin }: CorsPolicy): RequestHandler {
  return (request, response, next) => {
    const { preflight, headers } = crossOrigin(request.method, request.headers);
    for (const [name, value] of preflight ?? headers) response.appendHeader(name, value);
    if (preflight === null) next();
    else response.writeHead(200).end();
  };
}

/** Allows every header that is asked for: each door decides which headers it reads. */
function preflightHeaders(allow: readonly Header[], headers: IncomingHttpHeaders): Header[] {
  const wanted = headers['access-control-request-headers'];
  return [
    ...allow,
    ['Access-Control-Allow-Methods', methods.join(', ')],
    ...(wanted === undefined ? [] : [['Access-Control-Allow-Headers', wanted] as const]),
    // A public page wants to reach a private network, such as an API on this machine (Private Network Access).
    ...(headers['access-control-request-private-network'] === 'true'
      ? [['Access-Control-Allow-Private-Network', 'true'] as const]
      : []),
    ['Access-Control-Max-Age', maxAgeSeconds],
    ['Content-Length', '0'],
  ];
}
