import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { makeServer } from 'graphql-ws';
import type { ServerOptions, SubscribePayload } from 'graphql-ws';
import { GraphQLError, getOperationAST } from 'postgraphile/graphql';
import type { ExecutionArgs, ExecutionResult, GraphQLFormattedError } from 'postgraphile/graphql';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Authenticate } from '../auth/authenticate.ts';
import { anonymous } from '../auth/claims.ts';
import type { Claims } from '../auth/claims.ts';
import type { WatchedCredentials } from '../auth/watch-credentials.ts';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import { hasLongNumber, parseExactNumbers } from '../exact-json.ts';
import { countedMethod } from '../http/answered-request.ts';
import type { OnAnswered } from '../http/answered-request.ts';
import { authorizationOf } from '../http/credentials.ts';
import type { OnInternalError } from '../http/error-body.ts';
import { newRequestId, requestIdFrom } from '../http/request-id.ts';
import { budgetFor } from '../request-budget.ts';
import type { Leave, Traffic } from '../http/traffic.ts';
import { refusalOf } from '../http/upgrades.ts';
import type { RequestBudgets } from '../request-budget.ts';
import type { GraphqlEngine, Operation } from './engine.ts';
import { codeOf, formatGraphqlError, statusOf } from './error-format.ts';
import { storableJson } from '../storable-text.ts';
import { wideObjectError } from './graphql-request.ts';
import { checkGraphqlRequest } from './graphql-request.ts';
import { closeCodeOf, closeCodes, closeWith, dropSlow, refusalOfClose } from './socket-closing.ts';
import { SocketOperations } from './socket-operations.ts';
import { untilCompleted } from './until-completed.ts';

/** Bytes that a client may leave unread before it is dropped. */
const maxUnreadBytes = 1_048_576;
/** A connection that does not answer a ping within this time counts as lost. */
const pingEveryMs = 15_000;
/** The longest delay that setTimeout accepts. */
const longestTimeoutMs = 2_147_483_647;

/** GraphQL over WebSocket. */
export interface GraphqlWebsockets {
  /** Takes over an HTTP upgrade. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends the connections of a tenant. */
  dropTenant(tenantId: string): void;
  /** Ends every connection with 1001: going away. */
  close(): void;
}

/** The listeners of a WebSocket's events. */
export interface WebsocketEvents {
  readonly onInternalError: OnInternalError;
  /** Gets each operation, and each connection, once it ends. */
  readonly onAnswered: OnAnswered;
  /** Answers an invalid handshake. */
  readonly refuse: (request: IncomingMessage, socket: Duplex, error: AppError) => void;
}

interface Connection {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  claims?: Claims;
  readonly operations: SocketOperations;
  /** The message that is being read. graphql-ws asks for its operation before it waits for anything. */
  message?: string;
}

/**
 * graphql-transport-ws, for subscriptions and all other operations. The token comes as `{"authorization": "Bearer
 * ..."}` in the connection's parameters, or as a header. The connection ends with the token or its session. A client
 * that reads more slowly than events come is dropped; no other client waits for it.
 */
export function makeGraphqlWebsockets(
  engine: GraphqlEngine,
  authenticate: Authenticate,
  credentials: WatchedCredentials,
  traffic: Traffic,
  budgets: RequestBudgets,
  { onInternalError, onAnswered, refuse }: WebsocketEvents,
): GraphqlWebsockets {
  const connections = new Set<Connection>();
  const protocol = makeServer<Record<string, unknown>, Connection>(
    protocolOptions(engine, authenticate, credentials, traffic, onInternalError),
  );
  const webSocketServer = new WebSocketServer({
    noServer: true,
    maxPayload: budgets.identified.bodyBytes,
    handleProtocols: (offered) => (offered.has('graphql-transport-ws') ? 'graphql-transport-ws' : false),
  });

  webSocketServer.on('wsClientError', ({ message }, socket, request) =>
    refuse(request, socket, new AppError('UPGRADE_REFUSED', `this is not a WebSocket handshake: ${message}`)),
  );

  const open = (socket: WebSocket, request: IncomingMessage): void => {
    const connection: Connection = { socket, request, operations: new SocketOperations(onAnswered) };
    const tell = tellingOf(connection, onAnswered);
    connections.add(connection);
    let alive = true;
    const ping = setInterval(() => {
      if (!alive) socket.terminate();
      alive = false;
      socket.ping();
    }, pingEveryMs);
    socket.on('pong', () => {
      alive = true;
    });
    // A frame was broken or the connection was lost; `close` follows.
    socket.on('error', () => {});
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        // Not awaited: what a client leaves unread has to pile up here, where it is counted.
        send: (data) => {
          if (socket.bufferedAmount > maxUnreadBytes) dropSlow(socket);
          else socket.send(data);
        },
        close: (code, reason) => socket.close(code, reason),
        onMessage: (receive) =>
          socket.on('message', (data) => {
            // Checked before parsing. A connection that is not yet acknowledged has the anonymous budget.
            const { bodyBytes } = budgetFor(budgets, (connection.claims ?? anonymous).role === 'anon');
            if (sizeOf(data) > bodyBytes) {
              socket.close(1009, `BODY_TOO_LARGE: a message may have ${bodyBytes} bytes`);
              return;
            }
            const text = storableJson(String(data));
            const { claims } = connection;
            const tooMany = refusalOf(() =>
              claims === undefined ? traffic.arrive(request) : traffic.ask(claims),
            );
            if (tooMany !== null) {
              refuseUnparsed(socket, text, tooMany);
              return;
            }
            const tooWide = wideObjectError(text);
            if (tooWide !== null) {
              refuseUnparsed(socket, text, tooWide);
              return;
            }
            connection.message = text;
            receive(text).catch((error: unknown) => {
              onInternalError(error, newRequestId());
              socket.close(1011, 'INTERNAL_ERROR');
            });
          }),
      },
      connection,
    );
    socket.once('close', (code, reason) => {
      clearInterval(ping);
      connections.delete(connection);
      connection.operations.endAll();
      void closed(code, String(reason));
      tell(code, reason);
    });
  };

  return {
    handleUpgrade: (request, socket, head) =>
      webSocketServer.handleUpgrade(request, socket, head, (webSocket) => open(webSocket, request)),
    dropTenant: (tenantId) => {
      for (const { claims, socket } of connections) {
        if (claims?.tenantId === tenantId) closeWith(socket, closeCodes.forbidden, 'TENANT_SUSPENDED');
      }
    },
    close: () => {
      for (const { socket } of connections) closeWith(socket, closeCodes.goingAway, 'SHUTTING_DOWN');
      webSocketServer.close();
    },
  };
}

/**
 * Answers an unparsed message: by its id if that stands before the payload, where clients write it, otherwise by
 * closing the connection.
 */
function refuseUnparsed(socket: WebSocket, text: string, error: AppError): void {
  const id = /^\s*\{[^{}[\]]*"id"\s*:\s*"([^"\\]{1,200})"/.exec(text.slice(0, 1_000))?.[1];
  const { code, message } = error;
  if (id === undefined) {
    socket.close(code === 'TOO_MANY_REQUESTS' ? closeCodes.tooMany : 1009, `${code}: ${message}`);
  } else {
    const extensions = { code, requestId: newRequestId() };
    socket.send(JSON.stringify({ type: 'error', id, payload: [{ message, extensions }] }));
  }
}

/** graphql-ws passes these arguments on to `execute` and `subscribe` unread. */
type OperationArguments = ExecutionArgs & { readonly operation: Operation };

function protocolOptions(
  engine: GraphqlEngine,
  authenticate: Authenticate,
  credentials: WatchedCredentials,
  traffic: Traffic,
  onInternalError: OnInternalError,
): ServerOptions<Record<string, unknown>, Connection> {
  /** Adds the request id to each error: frames have no headers, where HTTP answers carry X-Request-Id. */
  const format = (error: GraphQLError, requestId: string): GraphQLFormattedError => {
    const formatted = formatGraphqlError(error, requestId, onInternalError);
    return { ...formatted, extensions: { ...formatted.extensions, requestId } };
  };
  const requestIds = new WeakMap<object, string>();
  /** The request id of the operation that a client asks for with this payload: the client's own id, if it sent one. */
  const requestIdOf = (payload: SubscribePayload): string => {
    const known = requestIds.get(payload);
    if (known !== undefined) return known;
    const given = payload.extensions?.['requestId'];
    const made = requestIdFrom(typeof given === 'string' ? given : undefined);
    requestIds.set(payload, made);
    return made;
  };
  return {
    onConnect: async ({ connectionParams, extra }) => {
      try {
        extra.claims = await authenticate(credentialsOf(connectionParams, extra.request));
      } catch (error) {
        const refusal = error instanceof AppError ? error : databaseErrorToAppError(error);
        if (refusal === null) throw error;
        closeWith(extra.socket, closeCodeOf(refusal), refusal.code, refusal.message);
        return false;
      }
      const { claims, socket } = extra;
      const leave = letIn(socket, () => traffic.stream(claims));
      if (leave === null) return false;
      socket.once('close', leave);
      endWithToken(extra.socket, extra.claims);
      endWithCredential(extra.socket, extra.claims, credentials);
      return true;
    },
    onSubscribe: ({ extra }, id, payload) => {
      try {
        const args = argumentsOf(engine, extra, exactPayload(extra.message, payload), requestIdOf(payload));
        asRefusal(() => begin(traffic, extra, id, args, requestIdOf(payload)));
        return args;
      } catch (error) {
        if (error instanceof RefusedOperation) return error.errors;
        throw error;
      }
    },
    execute: (args) =>
      untilCompleted((left) => engine.execute({ ...(args as OperationArguments).operation, left })),
    subscribe: (args) => engine.subscribe((args as OperationArguments).operation) as Promise<ExecutionResult>,
    onComplete: ({ extra }, id) => {
      extra.operations.end(id);
    },
    onError: ({ extra }, id, payload, errors) => {
      const formatted = errors.map((error) => format(error as GraphQLError, requestIdOf(payload)));
      const code = codeOf(formatted);
      if (extra.operations.has(id)) extra.operations.noteErrors(id, code);
      else extra.operations.refuse(requestIdOf(payload), extra.claims ?? null, statusOf(formatted), code);
      return formatted;
    },
    onNext: ({ extra }, id, payload, _args, { errors, data }) => {
      if (!errors) return undefined;
      const formatted = errors.map((error) => format(error as GraphQLError, requestIdOf(payload)));
      extra.operations.noteErrors(id, codeOf(formatted));
      return { data: data ?? null, errors: formatted };
    },
  };
}

/** Counts an operation until it is complete. Throws TOO_MANY_REQUESTS. */
function begin(
  traffic: Traffic,
  { claims, operations }: Connection,
  id: string,
  args: OperationArguments,
  requestId: string,
): void {
  if (claims === undefined) return;
  const isSubscription = getOperationAST(args.document, args.operationName)?.operation === 'subscription';
  const leave = isSubscription ? traffic.subscription(claims) : traffic.work(claims);
  operations.begin(id, { requestId, claims, isSubscription, leave });
}

/** Null: the connection is one too many, and is closed. */
function letIn(socket: WebSocket, enter: () => Leave): Leave | null {
  try {
    return enter();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    closeWith(socket, closeCodes.tooMany, 'TOO_MANY_REQUESTS', error.message);
    return null;
  }
}

/** Carries the errors that the client gets as the operation's answer. */
class RefusedOperation extends Error {
  readonly errors: readonly GraphQLError[];

  constructor(errors: readonly GraphQLError[]) {
    super('the operation cannot run');
    this.errors = errors;
  }
}

function argumentsOf(
  engine: GraphqlEngine,
  { claims }: Connection,
  payload: unknown,
  requestId: string,
): OperationArguments {
  if (!claims) throw new Error('an operation came before the connection was acknowledged');
  const asked = asRefusal(() => checkGraphqlRequest(payload));
  const { operationName } = asked;
  const prepared = engine.prepare(asked, claims);
  if (prepared.errors) {
    throw new RefusedOperation(prepared.errors);
  }
  const { snapshot, document, variables, fields } = prepared;
  if (!getOperationAST(document, operationName)) {
    throw new RefusedOperation([
      new GraphQLError(
        operationName === undefined
          ? 'operationName is missing, and the document does not have exactly one operation'
          : `the document has no operation ${operationName}`,
      ),
    ]);
  }
  const operation: Operation = { snapshot, document, variables, fields, operationName, claims, requestId };
  // The engine holds the schema; graphql-ws only needs the document and the name to know the kind of operation.
  return { document, operationName, operation } as unknown as OperationArguments;
}

/** The payload with the digits of its numbers, which graphql-ws does not keep. */
function exactPayload(message: string | undefined, payload: SubscribePayload): unknown {
  if (message === undefined || !hasLongNumber(message)) return payload;
  return (parseExactNumbers(message) as { readonly payload: unknown }).payload;
}

function asRefusal<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AppError) {
      throw new RefusedOperation([new GraphQLError(error.message, { originalError: error })]);
    }
    throw error;
  }
}

function sizeOf(data: RawData): number {
  return Array.isArray(data) ? data.reduce((sum, part) => sum + part.length, 0) : data.byteLength;
}

/** Connection parameters serve as headers: browsers cannot send headers with a WebSocket. */
function credentialsOf(parameters: Record<string, unknown> | undefined, request: IncomingMessage) {
  const headers = Object.entries(parameters ?? {})
    .filter(([, value]) => typeof value === 'string')
    .map(([name, value]) => [name.toLowerCase(), value as string]);
  return authorizationOf(Object.fromEntries(headers)) ?? authorizationOf(request.headers);
}

/** Closes the connection when its token expires: the next request would refuse that token, too. */
function endWithToken(socket: WebSocket, claims: Claims): void {
  const { exp } = JSON.parse(claims.json) as { exp?: number };
  if (exp === undefined) return;
  const timer = setTimeout(
    () => closeWith(socket, closeCodes.unauthorized, 'TOKEN_EXPIRED'),
    Math.min(Math.max(exp * 1000 - Date.now(), 0), longestTimeoutMs),
  );
  socket.once('close', () => clearTimeout(timer));
}

/** Closes the connection when its session or key is ended before the token expires. */
function endWithCredential(socket: WebSocket, claims: Claims, credentials: WatchedCredentials): void {
  // The connection may have closed while its token was looked up, and nothing would ever end the watch.
  if (socket.readyState !== socket.OPEN) return;
  const unwatch = credentials.watch(claims, (why) => closeWith(socket, closeCodes.unauthorized, why));
  socket.once('close', unwatch);
}

/** Begins to measure a connection; the returned function tells of it once it has closed. */
function tellingOf(
  connection: Connection,
  onAnswered: OnAnswered,
): (closeCode: number, reason: Buffer) => void {
  const { method, headers } = connection.request;
  const began = performance.now();
  const requestId = requestIdFrom(headers['x-request-id']);
  return (closeCode, reason) =>
    onAnswered({
      kind: 'stream',
      method: countedMethod(method),
      route: '/graphql',
      status: 101,
      code: refusalOfClose(closeCode, reason),
      durationMs: performance.now() - began,
      requestId,
      claims: connection.claims ?? null,
      headers,
    });
}
