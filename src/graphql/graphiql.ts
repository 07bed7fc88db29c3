import { ruruHTML } from 'postgraphile/grafserv/ruru/server';
import { getStaticFile } from 'postgraphile/grafserv/ruru/static';
import { Router } from 'express';
import { methods } from '../http/methods.ts';

/**
 * GraphiQL at `/graphiql`. It loads everything from the installed package, so no request goes to another host.
 *
 * @param basePath the part of the path that a proxy removes, without a trailing slash; mostly empty
 */
export function graphiql(basePath: string): Router {
  const router = Router();
  const config = {
    endpoint: `${basePath}/graphql`,
    subscriptionEndpoint: `${basePath}/graphql`,
    staticPath: `${basePath}${staticPath}`,
    htmlParts: {
      // ruru names no icon, so a browser would ask for /favicon.ico.
      metaTags: (tags: string) => `${tags}\n<link rel="icon" href="data:,">`,
      configScript: (script: string) => `${script}\n<script>${configure}</script>`,
    },
  };
  const page = ruruHTML(config);
  router.all('/graphiql', methods('GET'), (_request, response) => {
    response.setHeader('Content-Security-Policy', contentSecurityPolicy);
    response.type('html').send(page);
  });
  router.use(staticPath, methods('GET'), async (request, response, next) => {
    const file = await getStaticFile({
      staticPath,
      urlPath: request.originalUrl,
      acceptEncoding: request.headers['accept-encoding'],
      disallowDevAssets: true,
    });
    if (!file) {
      next();
      return;
    }
    response.set(file.headers);
    response.vary('Accept-Encoding');
    if (request.headers['if-none-match'] === file.headers['etag']) response.status(304).end();
    else response.send(file.content);
  });
  return router;
}

const staticPath = '/graphiql/static/';

/** What stands in the editor of a visitor who has written nothing yet. */
const welcome = `# Write a query, and run it with Ctrl-Enter.
#
# Without a token nothing of a tenant is seen.
# A token is printed by lightning start (on an
# embedded database) and by lightning token.
# It goes under Headers, below:
#
#   {"authorization": "Bearer eyJ..."}
#
# This tab keeps it until the tab is closed.

{
  agents {
    nodes {
      id
      name
      status
    }
  }
}
`;

/**
 * Completes ruru's configuration in the page. The headers, and so the token, are kept in the session storage: over a
 * reload, in this tab of the browser, and no longer. So the setting that keeps them in the browser for good is left out,
 * and the history, which has the headers of every query, is the tab's too. Where the storage is forbidden, the page
 * forgets them.
 */
const configure = `
const keptHeaders = 'lightning:graphiql:headers';
const withHeaders = ['graphiql:queries', 'graphiql:favorites', 'graphiql:headers'];
let headers;
try {
  for (const key of withHeaders) localStorage.removeItem(key);
  headers = sessionStorage.getItem(keptHeaders) || undefined;
  for (const method of ['getItem', 'setItem', 'removeItem']) {
    const original = Storage.prototype[method];
    Storage.prototype[method] = function (key, ...values) {
      return original.call(withHeaders.includes(key) ? sessionStorage : this, key, ...values);
    };
  }
} catch {}
Object.assign(RURU_CONFIG, {
  defaultQuery: ${JSON.stringify(welcome)},
  defaultEditorToolsVisibility: 'headers',
  showPersistHeadersSettings: false,
  initialHeaders: headers,
  defaultHeaders: headers,
  onEditHeaders: (edited) => {
    try {
      sessionStorage.setItem(keptHeaders, edited);
    } catch {}
  },
});
`;

/** Allows scripts, styles, fonts and connections of this origin only; ruru writes scripts and styles into the page. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "frame-ancestors 'none'",
].join('; ');
