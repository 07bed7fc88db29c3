import type { Routine } from '../../../schema-cache/routine.ts';
import type { Table } from '../../../schema-cache/table.ts';
import { bodyName, filterNames } from './parameters.ts';
import { commentFields } from './swagger-comment.ts';
import { swaggerReference } from './swagger-reference.ts';
import { swaggerQueryType, swaggerType } from './swagger-type.ts';

type Json = Readonly<Record<string, unknown>>;

const done = { description: 'OK' };

/** The path of the document itself. */
export const rootPath: Json = {
  get: {
    tags: ['Introspection'],
    summary: 'OpenAPI description (this document)',
    produces: ['application/openapi+json', 'application/json'],
    responses: { '200': done },
  },
};

/** The media types of a function's result. */
const resultTypes = [
  'application/json',
  'application/vnd.pgrst.object+json;nulls=stripped',
  'application/vnd.pgrst.object+json',
];

/** The media types of rows and of bodies. */
export const rowTypes: readonly string[] = [...resultTypes, 'text/csv'];

/** The path of a relation or function as a template, in which braces would mean a parameter. */
export function pathOf(prefix: '/' | '/rpc/', name: string): string {
  return prefix + name.replace(/[%?#{}]/g, encodeURIComponent);
}

/** The operations of a relation. Whatever may be written to in one way has all ways, as in PostgREST. */
export function relationPath(table: Table): Json {
  const common = { tags: [table.name], ...commentFields(table.comment) };
  const filters = filterNames(table);
  const parameters = (...names: readonly string[]) =>
    names.map((name) => swaggerReference('parameters', name));
  const written = (status: string, description: string) => ({ [status]: { description } });
  return {
    get: {
      ...common,
      parameters: parameters(
        ...filters,
        'select',
        'order',
        'range',
        'rangeUnit',
        'offset',
        'limit',
        'preferCount',
      ),
      responses: {
        '200': {
          ...done,
          schema: { type: 'array', items: swaggerReference('definitions', table.name) },
        },
        '206': { description: 'Partial Content' },
      },
    },
    ...((table.insertable || table.updatable || table.deletable) && {
      post: {
        ...common,
        parameters: parameters(bodyName(table), 'select', 'preferPost'),
        responses: written('201', 'Created'),
      },
      patch: {
        ...common,
        parameters: parameters(...filters, bodyName(table), 'preferReturn'),
        responses: written('204', 'No Content'),
      },
      delete: {
        ...common,
        parameters: parameters(...filters, 'preferReturn'),
        responses: written('204', 'No Content'),
      },
    }),
  };
}

/** The operations of a function: POST always, and GET if it writes nothing. */
export function routinePath(routine: Routine): Json {
  const { name, comment, parameters, volatility } = routine;
  const common = {
    tags: [`(rpc) ${name}`],
    ...commentFields(comment),
    produces: resultTypes,
    responses: { '200': done },
  };
  return {
    ...(volatility !== 'volatile' && {
      get: {
        ...common,
        parameters: parameters.map((parameter) => ({
          name: parameter.name,
          required: parameter.required,
          in: 'query',
          ...swaggerQueryType(parameter.type, parameter.variadic),
        })),
      },
    }),
    post: {
      ...common,
      parameters: [
        { name: 'args', required: true, in: 'body', schema: argumentsSchema(routine) },
        swaggerReference('parameters', 'preferParams'),
      ],
    },
  };
}

function argumentsSchema({ comment, parameters }: Routine): Json {
  const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name);
  return {
    type: 'object',
    ...(comment !== null && { description: comment }),
    ...(parameters.length > 0 && {
      properties: Object.fromEntries(parameters.map(({ name, type }) => [name, swaggerType(type)])),
    }),
    ...(required.length > 0 && { required }),
  };
}
