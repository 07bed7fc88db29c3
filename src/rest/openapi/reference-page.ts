import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { RestResponse } from '../response/rest-response.ts';

/** A path below the API's root that no relation can have: all other paths of two parts begin with `rpc`. */
export const referencePrefix = '/.reference/';

/**
 * The page to browse and try the API: Swagger UI, with all files served from here. It reads the document from the
 * API's root, so it shows what the entered token may do.
 *
 * @param mountPath path of the API's root, without a trailing slash
 */
export function referencePage(mountPath: string): RestResponse {
  const base = mountPath + referencePrefix;
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>REST reference</title>
    <link rel="stylesheet" href="${base}swagger-ui.css">
    <link rel="icon" type="image/png" href="${base}favicon-32x32.png">
  </head>
  <body>
    <div id="reference" data-url="${mountPath}/"></div>
    <script src="${base}swagger-ui-bundle.js"></script>
    <script src="${base}start.js"></script>
  </body>
</html>
`;
  return {
    status: 200,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Content-Security-Policy', contentSecurityPolicy],
      ['Content-Length', String(Buffer.byteLength(html))],
    ],
    body: html,
  };
}

/**
 * A file of the page; null: no file has this name, or Swagger UI is missing. `fileName` is what follows
 * `referencePrefix`.
 */
export async function referenceAsset(fileName: string): Promise<RestResponse | null> {
  const contentType = contentTypes[fileName];
  if (contentType === undefined || swaggerUi === null) return null;
  const body =
    fileName === 'start.js' ? Buffer.from(startScript) : await readFile(path.join(swaggerUi, fileName));
  return {
    status: 200,
    headers: [
      ['Content-Type', contentType],
      ['Cache-Control', 'public, max-age=3600'],
      ['Content-Length', String(body.length)],
    ],
    body,
  };
}

/**
 * The directory of Swagger UI's files. `npm run build` copies them beside this module. A checkout has them in
 * swagger-ui-dist, which is only a development dependency, because one of its own dependencies reports every
 * installation to its makers; in a checkout test/support/no-telemetry takes that one's place. Null in a checkout without it (`npm ci --omit=dev`): the page is empty there, and
 * everything else works.
 */
const swaggerUi = ((): string | null => {
  const built = path.join(import.meta.dirname, 'swagger-ui');
  if (existsSync(built)) return built;
  try {
    return path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  } catch {
    return null;
  }
})();

/** All files that the page loads; no other file of Swagger UI is served. */
const contentTypes: Readonly<Record<string, string>> = {
  'start.js': 'text/javascript; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/**
 * A file of its own, so that the page needs no inline script. It reads the document again after every login and logout,
 * because the document shows what the token may do.
 */
const startScript = `'use strict';
const address = document.querySelector('#reference').dataset.url;
let token = null;
// persistAuthorization keeps the token in the local storage, for good: here the tab of the browser keeps it.
try {
  localStorage.removeItem('authorized');
  for (const method of ['getItem', 'setItem', 'removeItem']) {
    const original = Storage.prototype[method];
    Storage.prototype[method] = function (key, ...values) {
      return original.call(key === 'authorized' ? sessionStorage : this, key, ...values);
    };
  }
} catch {
  // The storage is forbidden: the page forgets the token at a reload.
}
// In the document of PostgREST's form the visitor writes "Bearer " before the token.
const tokenIn = (authorized) =>
  authorized && authorized.JWT ? authorized.JWT.value.replace(/^Bearer +/i, '') : null;
try {
  // persistAuthorization keeps the token here.
  token = tokenIn(JSON.parse(localStorage.getItem('authorized')));
} catch {
  // The storage is forbidden or holds something else: treat the visitor as logged out.
}
const readAgain = (system) => setTimeout(() => system.specActions.download(address));
const followAuthorization = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (authorize, system) => (authorized) => {
          const result = authorize(authorized);
          token = tokenIn(authorized);
          readAgain(system);
          return result;
        },
        logout: (logout, system) => (names) => {
          const result = logout(names);
          token = null;
          readAgain(system);
          return result;
        },
      },
    },
  },
});
// Swagger UI's own parser takes "_" for an escaped space and complains in the console; names of tables are full of it.
const openWhatIsLinked = () => ({
  statePlugins: {
    layout: {
      wrapActions: {
        parseDeepLinkHash: (_parse, { layoutActions, layoutSelectors }) => (hash) => {
          const names = hash.replace('#', '').split('/').filter((name) => name !== '' && name !== '!');
          if (names.length === 0) return;
          const [tag, linked] = [names.slice(0, 1), names].map((each) => layoutSelectors.isShownKeyFromUrlHashArray(each));
          layoutActions.show(tag, true);
          layoutActions.show(linked, true);
          layoutActions.scrollTo(linked);
          layoutActions.scrollToVirtualizedOperation(linked);
        },
      },
    },
  },
});
SwaggerUIBundle({
  url: address,
  dom_id: '#reference',
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  persistAuthorization: true,
  validatorUrl: null,
  plugins: [followAuthorization, openWhatIsLinked],
  requestInterceptor: (request) => {
    if (request.loadSpec && token) request.headers.Authorization = 'Bearer ' + token;
    // The document may name an address that only others reach, such as 0.0.0.0: this page is served by the API itself.
    const { pathname, search } = new URL(request.url, location.href);
    request.url = location.origin + pathname + search;
    return request;
  },
});
`;

/** Allows this origin only; Swagger UI writes styles and images into the page. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
].join('; ');
