import type { QualifiedName } from '../../schema-cache/identifier.ts';
import { nameKey } from '../../schema-cache/identifier.ts';
import type { Routine } from '../../schema-cache/routine.ts';
import type { SchemaCache } from '../../schema-cache/schema-cache.ts';
import { RestError } from '../errors.ts';
import type { MediaType } from '../request/media-type.ts';
import { catalogNames } from './catalog-names.ts';
import { looseScore, nameIndex, similarNames, strictScore } from './did-you-mean.ts';

/** The parts of a call that decide which overload is meant. */
export interface CallShape extends QualifiedName {
  /** Names of the arguments, sorted and without duplicates. */
  readonly argumentNames: readonly string[];
  /** Called by POST, with a body. */
  readonly withBody: boolean;
  readonly contentType: MediaType;
}

/**
 * The only overload whose parameters have the arguments' names, or else the one that takes the body as its single
 * unnamed parameter (PostgREST, Functions as RPC). Throws PGRST202 if there is none, PGRST203 if there are several.
 */
export function findRoutine(cache: SchemaCache, shape: CallShape): Routine {
  const overloads = cache.routines.get(nameKey(shape.schema, shape.name)) ?? [];
  const matching = overloads.filter((routine) => takesNamed(routine, shape));
  const candidates =
    matching.length > 0 ? matching : overloads.filter((routine) => takesBody(routine, shape));
  const [first] = candidates;
  if (first === undefined) throw noRoutine(cache, shape, overloads);
  if (candidates.length > 1) throw ambiguous(candidates);
  return first;
}

/** Whether all required parameters are given, and every other argument belongs to a parameter with a default. */
function takesNamed({ parameters }: Routine, shape: CallShape): boolean {
  if (parameters.length === 0) return shape.argumentNames.length === 0 && !hasRawBody(shape);
  const given = new Set(shape.argumentNames);
  const known = new Set(parameters.map(({ name }) => name));
  return (
    parameters.every(({ name, required }) => !required || given.has(name)) &&
    shape.argumentNames.every((name) => known.has(name))
  );
}

/** The content types whose whole body a single unnamed parameter takes, by the parameter's type. */
const typesOfUnnamed = new Map([
  ['json', 'application/json'],
  ['jsonb', 'application/json'],
  ['text', 'text/plain'],
  ['xml', 'text/xml'],
  ['bytea', 'application/octet-stream'],
]);

function takesBody({ parameters }: Routine, { withBody, contentType }: CallShape): boolean {
  const [parameter] = parameters;
  if (!withBody || parameter === undefined || parameters.length > 1 || parameter.name !== '') return false;
  const taken = typesOfUnnamed.get(parameter.type);
  return taken !== undefined && isType(contentType, taken);
}

/** The type that the unnamed parameter must have, by content types whose body has no names in it. */
const rawBodies = new Map([
  ['text/plain', 'text'],
  ['text/xml', 'xml'],
  ['application/octet-stream', 'bytea'],
]);

function hasRawBody(shape: CallShape): boolean {
  return rawBodyType(shape) !== undefined;
}

function rawBodyType({ withBody, contentType }: CallShape): string | undefined {
  return withBody && contentType.kind === 'plain' ? rawBodies.get(contentType.name) : undefined;
}

function isType(contentType: MediaType, name: string): boolean {
  return contentType.kind === 'plain' && contentType.name === name;
}

function noRoutine(cache: SchemaCache, shape: CallShape, overloads: readonly Routine[]): RestError {
  const { schema, name, argumentNames, withBody, contentType } = shape;
  const called = `${schema}.${name}`;
  const rawType = rawBodyType(shape);
  const names = argumentNames.join(', ');
  const none = argumentNames.length === 0;
  const searched = none
    ? ' without parameters'
    : ` with parameter${argumentNames.length > 1 ? 's' : ''} ${names}`;
  const asMessage = none ? ' without parameters' : `(${names})`;
  const orWhole =
    withBody && isType(contentType, 'application/json')
      ? ' or with a single unnamed json/jsonb parameter'
      : '';
  const how = rawType === undefined ? `${searched}${orWhole}` : ` with a single unnamed ${rawType} parameter`;
  return new RestError(
    'PGRST202',
    `Could not find the function ${called}${rawType === undefined ? asMessage : ''} in the schema cache`,
    {
      details: `Searched for the function ${called}${how}, but no matches were found in the schema cache.`,
      hint: rawType === undefined ? routineHint(cache, shape, overloads) : null,
    },
  );
}

/** Suggests a similar function if none has the name, otherwise a similar overload. */
function routineHint(cache: SchemaCache, shape: CallShape, overloads: readonly Routine[]): string | null {
  const { schema, name, argumentNames } = shape;
  if (overloads.length > 0) {
    const lists = overloads.map(({ parameters }) => listed(parameters.map((parameter) => parameter.name)));
    const [similar] = similarNames(nameIndex(lists), listed(argumentNames), looseScore);
    return similar === undefined
      ? null
      : `Perhaps you meant to call the function ${schema}.${name}${similar.name}`;
  }
  const [similar] = similarNames(catalogNames(cache, 'routines', schema), name, strictScore);
  return similar === undefined ? null : `Perhaps you meant to call the function ${schema}.${similar.name}`;
}

function listed(names: readonly string[]): string {
  return `(${names.toSorted().join(', ')})`;
}

function ambiguous(candidates: readonly Routine[]): RestError {
  const signatures = candidates
    .toSorted((a, b) => a.parameters.length - b.parameters.length)
    .map(signatureOf)
    .join(', ');
  return new RestError('PGRST203', `Could not choose the best candidate function between: ${signatures}`, {
    hint:
      'Try renaming the parameters or the function itself in the database ' +
      'so function overloading can be resolved',
  });
}

function signatureOf({ schema, name, parameters }: Routine): string {
  return `${schema}.${name}(${parameters.map((parameter) => `${parameter.name} => ${parameter.type}`).join(', ')})`;
}
