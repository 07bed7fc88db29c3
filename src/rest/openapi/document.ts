import type { Routine } from '../../schema-cache/routine.ts';
import { nameKey } from '../../schema-cache/identifier.ts';
import { relationshipKey } from '../../schema-cache/schema-cache.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { routineKey } from './executable-routines.ts';
import type { Access, RelationAccess } from './accessible.ts';
import { documentation } from './comment.ts';
import { relationPaths } from './relation-paths.ts';
import { routinePaths } from './routine-paths.ts';
import { errorComponents, sharedParameters } from './shared-components.ts';

/** The address that the document states, and its audience. */
export interface DocumentOptions {
  readonly schema: string;
  /** The URL of the API's root, as clients see it. */
  readonly serverUrl: string;
  readonly version: string;
  /** Whether the document says that a bearer token is expected. */
  readonly securityActive: boolean;
}

/**
 * The OpenAPI 3.1 document of a schema, made from the catalog snapshot and from comments. It has the paths, methods
 * and columns that `access` allows, in the order of their names. `access` null: it has everything, for every
 * requester.
 */
export function openApiDocument(
  cache: SchemaCache,
  access: Access | null,
  schemaComment: string | null,
  options: DocumentOptions,
): Readonly<Record<string, unknown>> {
  const { summary, description } = documentation(schemaComment);
  const paths: Record<string, unknown> = {};
  const schemas: Record<string, unknown> = {};
  const parameters: Record<string, unknown> = {};

  const tables = [...cache.tables.values()]
    .filter(({ schema }) => schema === options.schema)
    .toSorted(byName);
  for (const table of tables) {
    const names = new Set(table.columns.keys());
    const all: RelationAccess = { select: names, insert: names, update: names, delete: true };
    const allowed = access === null ? all : access.relations.get(table.name);
    if (!allowed) continue;
    const relationships = (cache.relationships.get(relationshipKey(table, table.schema)) ?? []).filter(
      (relationship) => relationship.kind === 'foreign-key',
    );
    const made = relationPaths(table, allowed, relationships);
    paths[made.path] = made.pathItem;
    Object.assign(schemas, made.schemas);
    Object.assign(parameters, made.parameters);
  }

  const relationIsKnown = (schema: string, name: string) =>
    schema === options.schema &&
    cache.tables.has(nameKey(schema, name)) &&
    (access === null || access.relations.has(name));
  const routines = [...cache.routines.values()]
    .map((overloads) =>
      overloads.filter(
        (routine) =>
          routine.schema === options.schema && (access === null || access.routines.has(routineKey(routine))),
      ),
    )
    .filter((overloads): overloads is [Routine, ...Routine[]] => overloads.length > 0)
    .toSorted(([one], [other]) => byName(one, other));
  for (const overloads of routines) {
    const made = routinePaths(overloads, relationIsKnown);
    paths[made.path] = made.pathItem;
  }

  return {
    openapi: '3.1.1',
    info: {
      title: summary ?? 'Agent Lightning DB',
      ...(description !== null && { description }),
      version: options.version,
    },
    servers: [{ url: options.serverUrl }],
    ...(options.securityActive && { security: [{ JWT: [] }] }),
    paths,
    components: {
      schemas: { ...schemas, ...errorComponents.schemas },
      parameters: { ...parameters, ...sharedParameters },
      responses: errorComponents.responses,
      ...(options.securityActive && {
        securitySchemes: {
          JWT: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A token of this service',
          },
        },
      }),
    },
  };
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}
