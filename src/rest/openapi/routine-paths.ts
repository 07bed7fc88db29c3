import type { Parameter, Routine } from '../../schema-cache/routine.ts';
import { returnsVoid } from '../../schema-cache/routine.ts';
import { documentation } from './comment.ts';
import { componentName, operationId, reference } from './component-name.ts';
import { schemaOfType } from './json-schema.ts';
import type { JsonSchema } from './json-schema.ts';
import { refusedWith } from './shared-components.ts';

/** The path of a function and its overloads: POST always, and GET if the function writes nothing. */
export function routinePaths(
  overloads: readonly [Routine, ...Routine[]],
  relationIsKnown: (schema: string, name: string) => boolean,
): { readonly path: string; readonly pathItem: Readonly<Record<string, unknown>> } {
  const [first] = overloads;
  const { summary, description } = documentation(first.comment);
  const common = {
    tags: [`(rpc) ${first.name}`],
    ...(summary !== null && { summary }),
    ...(description !== null && { description }),
  };
  const responses = {
    ...(overloads.every(returnsVoid)
      ? { '204': { description: 'Done' } }
      : { '200': result(overloads, relationIsKnown) }),
    ...refusedWith('400', '401', '403', '404', '406', '409', '413'),
  };
  const callable = overloads.filter(({ volatility }) => volatility !== 'volatile');
  return {
    path: `/rpc/${encodeURIComponent(first.name)}`,
    pathItem: {
      ...(callable.length > 0 && {
        get: {
          operationId: operationId('query', first.name),
          ...common,
          parameters: queryParameters(callable),
          responses,
        },
      }),
      post: {
        operationId: operationId('call', first.name),
        ...common,
        parameters: ['select', 'order', 'limit', 'offset', 'preferCall'].map((name) =>
          reference('parameters', name),
        ),
        requestBody: { required: false, content: bodies(overloads) },
        responses,
      },
    },
  };
}

function queryParameters(overloads: readonly Routine[]): readonly unknown[] {
  const byName = new Map<string, unknown>();
  for (const { parameters } of overloads) {
    for (const parameter of parameters) {
      if (parameter.name === '' || byName.has(parameter.name)) continue;
      byName.set(parameter.name, {
        name: parameter.name,
        in: 'query',
        // Each of several overloads takes its own parameters, so none is required of all calls.
        required: parameter.required && overloads.length === 1,
        description: parameter.type,
        schema: textSchema(parameter),
      });
    }
  }
  return [...byName.values()];
}

/** The schema of a parameter in a query string, where arrays and json are written as text. */
function textSchema(parameter: Parameter): JsonSchema {
  const schema = schemaOfType(parameter.type);
  if (parameter.variadic) return schema;
  return typeof schema['type'] === 'string' && schema['type'] !== 'array' ? schema : { type: 'string' };
}

const singleParameterTypes: Readonly<Record<string, string>> = {
  json: 'application/json',
  jsonb: 'application/json',
  text: 'text/plain',
  xml: 'text/xml',
  bytea: 'application/octet-stream',
};

function bodies(overloads: readonly Routine[]): Readonly<Record<string, unknown>> {
  const objects: JsonSchema[] = [];
  const content: Record<string, unknown> = {};
  for (const { parameters } of overloads) {
    const [only] = parameters;
    const mediaType = only?.name === '' ? singleParameterTypes[only.type] : undefined;
    if (only && parameters.length === 1 && mediaType !== undefined) {
      content[mediaType] = { schema: schemaOfType(only.type) };
      continue;
    }
    const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name);
    objects.push({
      type: 'object',
      properties: Object.fromEntries(parameters.map(({ name, type }) => [name, schemaOfType(type)])),
      ...(required.length > 0 && { required }),
    });
  }
  if (objects.length === 0) return content;
  return {
    ...content,
    'application/json': { schema: objects.length === 1 ? objects[0] : { anyOf: objects } },
  };
}

function result(
  overloads: readonly Routine[],
  relationIsKnown: (schema: string, name: string) => boolean,
): unknown {
  const [schema, ...others] = overloads.map(({ returns }): JsonSchema => {
    const { schema: typeSchema, name } = returns.type;
    const one = !returns.composite
      ? schemaOfType(name)
      : relationIsKnown(typeSchema, name)
        ? reference('schemas', componentName(name))
        : { type: 'object', additionalProperties: true };
    return returns.setOf ? { type: 'array', items: one } : one;
  });
  return {
    description: 'The result',
    content: {
      'application/json': { schema: others.length === 0 ? schema : { anyOf: [schema, ...others] } },
    },
  };
}
