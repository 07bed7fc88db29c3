import {
  BREAK,
  GraphQLError,
  Kind,
  TypeInfo,
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isScalarType,
  valueFromASTUntyped,
  visit,
  visitWithTypeInfo,
} from 'postgraphile/graphql';
import type {
  ASTNode,
  DocumentNode,
  ExecutionResult,
  GraphQLInputType,
  GraphQLSchema,
  ValueNode,
} from 'postgraphile/graphql';
import { DatabaseError } from 'pg';
import { databaseErrorToAppError } from '../db/errors.ts';
import { AppError } from '../errors.ts';
import { namedMessage, refusedNames } from '../refused-value.ts';
import type { GivenValue } from '../refused-value.ts';

/** An operation with the values that it gives to arguments. */
export interface GivenArguments {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
}

/** The result, in which the error of a value that Postgres refused begins with the value's place in the arguments. */
export function withRefusedArguments(
  schema: GraphQLSchema,
  given: GivenArguments,
  result: ExecutionResult,
): ExecutionResult {
  if (!result.errors) return result;
  let values: readonly GivenValue[] | null = null;
  const errors = result.errors.map((error) => {
    const origin = originOf(error);
    if (!(origin instanceof DatabaseError)) return error;
    const shown = databaseErrorToAppError(origin);
    if (shown === null) return error;
    values ??= givenArguments(schema, given);
    const names = refusedNames(origin, values);
    return names.length === 0 ? error : renamed(error, shown, namedMessage(shown.message, names));
  });
  return { ...result, errors };
}

/**
 * The place of the literal that validation refused, `input.task.priority`; null: the error is about something else. The library names a
 * variable that it refuses, but not a literal.
 */
export function placeOfLiteral(
  schema: GraphQLSchema,
  document: DocumentNode,
  error: GraphQLError,
): string | null {
  const [node] = error.nodes ?? [];
  if (node !== undefined && !isValue(node)) return null;
  const typeInfo = new TypeInfo(schema);
  let place: string | null = null;
  visit(
    document,
    visitWithTypeInfo(typeInfo, {
      enter: (each, _key, parent, _path, ancestors) => {
        if (node === undefined ? !isRefusedBy(typeInfo.getInputType(), each, error.message) : each !== node)
          return undefined;
        const above = [...ancestors, parent].flatMap((one) =>
          one && 'kind' in one && (one.kind === Kind.ARGUMENT || one.kind === Kind.OBJECT_FIELD)
            ? [one.name.value]
            : [],
        );
        place = above.length === 0 ? null : above.join('.');
        return BREAK;
      },
    }),
  );
  return place;
}

/** Whether a scalar refuses the literal in these words. Such an error does not say which literal it is about. */
function isRefusedBy(type: GraphQLInputType | null | undefined, literal: ASTNode, message: string): boolean {
  const scalar = getNamedType(type);
  if (!isValue(literal) || !isScalarType(scalar)) return false;
  try {
    scalar.parseLiteral(literal as ValueNode);
    return false;
  } catch (error) {
    return error instanceof Error && error.message === message;
  }
}

const valueKinds: ReadonlySet<string> = new Set([
  Kind.INT,
  Kind.FLOAT,
  Kind.STRING,
  Kind.BOOLEAN,
  Kind.NULL,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
]);

function isValue({ kind }: ASTNode): boolean {
  return valueKinds.has(kind);
}

/** The error that was thrown first; GraphQL wraps errors, sometimes twice. */
export function originOf(error: GraphQLError): unknown {
  let origin: unknown = error;
  while (origin instanceof GraphQLError && origin.originalError) origin = origin.originalError;
  return origin;
}

function renamed({ nodes, path }: GraphQLError, shown: AppError, message: string): GraphQLError {
  const { code, details, hint, sqlState } = shown;
  const originalError = new AppError(code, message, { details, hint, sqlState, cause: shown.cause });
  return new GraphQLError(message, { ...(nodes && { nodes }), ...(path && { path }), originalError });
}

/** Every value that the document gives to an argument, by its place: `input.task.runAfter`. */
function givenArguments(
  schema: GraphQLSchema,
  { document, variables }: GivenArguments,
): readonly GivenValue[] {
  const typeInfo = new TypeInfo(schema);
  const found: GivenValue[] = [];
  visit(
    document,
    visitWithTypeInfo(typeInfo, {
      Argument: ({ name, value }) => {
        const type = typeInfo.getInputType();
        if (type) found.push(...leavesOf(name.value, valueFromASTUntyped(value, variables), type));
      },
    }),
  );
  return found;
}

function leavesOf(name: string, value: unknown, type: GraphQLInputType): readonly GivenValue[] {
  if (isNonNullType(type)) return leavesOf(name, value, type.ofType as GraphQLInputType);
  // An interval is an object of its parts, which Postgres never sees one by one.
  const isParts = isInputObjectType(type) && type.name !== 'IntervalInput';
  if (isParts && typeof value === 'object' && value !== null) {
    return Object.entries(type.getFields()).flatMap(([field, { type: inner }]) => {
      const member = (value as Record<string, unknown>)[field];
      return member === undefined ? [] : leavesOf(`${name}.${field}`, member, inner);
    });
  }
  if (isListType(type) && isInputObjectType(getNamedType(type)) && Array.isArray(value)) {
    const { ofType } = type as { ofType: GraphQLInputType };
    return value.flatMap((item, i) => leavesOf(`${name}[${i}]`, item, ofType));
  }
  const typeName = getNamedType(type).name + (isListType(type) ? '[]' : '');
  return [{ name, type: typeName, texts: textsOf(value) }];
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  const text = JSON.stringify(value) ?? '';
  return Array.isArray(value) ? [text, ...value.flatMap(textsOf)] : [text];
}
