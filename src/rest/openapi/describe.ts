import type { ScopedDatabase } from '../../db/scoped-database.ts';
import type { Statement } from '../../db/statement.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import type { OpenApiOptions, OpenApiVersion, RestOptions } from '../options.ts';
import type { DescribeAction } from '../plan/plan.ts';
import type { ApiRequest } from '../request/query.ts';
import type { RestResponse } from '../response/rest-response.ts';
import { accessStatement, parseAccess } from './accessible.ts';
import type { AccessRow } from './accessible.ts';
import { openApiDocument } from './document.ts';
import { referencePage } from './reference-page.ts';
import { swaggerDocument } from './swagger/document.ts';
import { parseVisible, visibleStatement } from './swagger/visible.ts';
import type { VisibleRow } from './swagger/visible.ts';

/** Everything that describing needs besides the request. */
export interface DescribeContext {
  /** The database under the caller's role, whose privileges it is asked for. */
  readonly scoped: ScopedDatabase;
  readonly cache: SchemaCache;
  readonly options: RestOptions;
  /** Path of the API's root, without a trailing slash. */
  readonly mountPath: string;
  /** Where the client asked: scheme and Host header. */
  readonly origin: string;
  /** This project's version. */
  readonly version: string;
}

/** Answers at the root with the document for the caller's privileges, or with the page to browse it. One round trip. */
export async function describe(
  action: DescribeAction,
  request: ApiRequest,
  { scoped, cache, options, mountPath, origin, version }: DescribeContext,
): Promise<RestResponse> {
  if (action.format === 'html') {
    const page = referencePage(mountPath);
    return action.headersOnly ? { ...page, body: null } : page;
  }
  const document =
    options.openapi.document.version === '2.0'
      ? await swagger(action, options.openapi, options.openapi.document, { scoped, cache, version })
      : await openApi(action, options.openapi, { scoped, cache, mountPath, origin, version });
  const body = JSON.stringify(document);
  return {
    status: 200,
    headers: [
      ['Content-Type', 'application/openapi+json; charset=utf-8'],
      ...(request.profile === null ? [] : [['Content-Profile', request.profile] as const]),
      // Left out for HEAD, as in any answer to HEAD (PostgREST, Observability, Content-Length Header).
      ...(action.headersOnly ? [] : [['Content-Length', String(Buffer.byteLength(body))] as const]),
    ],
    body: action.headersOnly ? null : body,
  };
}

async function openApi(
  { schema }: DescribeAction,
  { mode, securityActive, serverProxyUri }: OpenApiOptions,
  { scoped, cache, mountPath, origin, version }: Omit<DescribeContext, 'options'>,
): Promise<unknown> {
  const access = parseAccess(await onlyRow<AccessRow>(scoped, accessStatement(schema)));
  return openApiDocument(cache, mode === 'ignore-privileges' ? null : access, access.schemaComment, {
    schema,
    serverUrl: serverProxyUri?.replace(/\/$/, '') ?? `${origin}${mountPath}`,
    version,
    securityActive,
  });
}

async function swagger(
  { schema }: DescribeAction,
  { mode, securityActive, serverProxyUri }: OpenApiOptions,
  { listensAt }: OpenApiVersion & { readonly version: '2.0' },
  { scoped, cache, version }: Pick<DescribeContext, 'scoped' | 'cache' | 'version'>,
): Promise<unknown> {
  const visible = parseVisible(await onlyRow<VisibleRow>(scoped, visibleStatement(schema)));
  return swaggerDocument(cache, mode === 'ignore-privileges' ? null : visible, visible.schemaComment, {
    schema,
    serverProxyUri,
    listensAt,
    version,
    securityActive,
  });
}

async function onlyRow<Row>(scoped: ScopedDatabase, statement: Statement): Promise<Row> {
  const { rows } = await scoped.query<Row>(statement);
  const row = rows[0];
  if (row === undefined) throw new Error('the query of the privileges returned no row');
  return row;
}
