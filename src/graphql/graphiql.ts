import { ruruHTML } from 'postgraphile/grafserv/ruru/server';
import { getStaticFile } from 'postgraphile/grafserv/ruru/static';
import { Router } from 'express';
import { methods } from '../http/methods.ts';

/** GraphiQL at `/graphiql`. It loads everything from the installed package, so no request goes to another host. */
export function graphiql(): Router {
  const router = Router();
  const config = {
    endpoint: '/graphql',
    subscriptionEndpoint: '/graphql',
    staticPath: '/graphiql/static/',
    // ruru names no icon, so a browser would ask for /favicon.ico, which does not exist.
    htmlParts: { metaTags: (tags: string) => `${tags}\n<link rel="icon" href="data:,">` },
  };
  const page = ruruHTML(config);
  router.all('/graphiql', methods('GET'), (_request, response) => {
    response.setHeader('Content-Security-Policy', contentSecurityPolicy);
    response.type('html').send(page);
  });
  router.use('/graphiql/static/', methods('GET'), async (request, response, next) => {
    const file = await getStaticFile({
      staticPath: config.staticPath,
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
