/** The type and format of a value in Swagger 2.0. */
export interface SwaggerType {
  /** Left out for json, which may be anything. */
  readonly type?: string;
  readonly format: string;
  /** For arrays only. */
  readonly items?: { readonly type?: string };
}

/** PostgREST's types, by the name of a type without modifier. All others are strings. */
const types: ReadonlyMap<string, string | undefined> = new Map([
  ['boolean', 'boolean'],
  ['smallint', 'integer'],
  ['integer', 'integer'],
  ['bigint', 'integer'],
  ['numeric', 'number'],
  ['real', 'number'],
  ['double precision', 'number'],
  ['json', undefined],
  ['jsonb', undefined],
]);

/** Swagger's own formats; of any other type the name is the format. */
const formats: ReadonlyMap<string, string> = new Map([
  ['smallint', 'int32'],
  ['integer', 'int32'],
  ['bigint', 'int64'],
]);

/** The type of a column's or argument's values. `type` is as `format_type` writes it. */
export function swaggerType(type: string): SwaggerType {
  const element = elementType(type);
  if (element !== null) return { type: 'array', format: type, items: typed(typeName(element)) };
  return { ...typed(typeName(type)), format: swaggerFormat(type) };
}

/**
 * The type of an argument in a query string. An array is written there as Postgres writes it, and JSON as text; the
 * values of a variadic argument come one by one.
 */
export function swaggerQueryType(type: string, variadic: boolean): Readonly<Record<string, unknown>> {
  const element = elementType(type);
  if (variadic && element !== null) {
    return {
      type: 'array',
      collectionFormat: 'multi',
      // A parameter has no values without a type: those of json are written as text.
      items: { type: typeName(element) ?? 'string', format: swaggerFormat(element) },
    };
  }
  return { type: element === null ? (typeName(type) ?? 'string') : 'string', format: swaggerFormat(type) };
}

/**
 * The `default` of a column, as PostgREST derives it from the default's expression: a literal is its value. For a string
 * any other expression is shown as it is written, such as `now()`.
 */
export function swaggerDefault(type: string, expression: string | null): { readonly default?: unknown } {
  if (expression === null) return {};
  if (elementType(type) === null && typeName(type) === 'string') {
    const cast = `::${type}`;
    const literal = expression.endsWith(cast)
      ? expression.slice(0, -cast.length).replace(/^'+|'+$/g, '')
      : expression;
    return decoded(`"${literal}"`);
  }
  return decoded(expression);
}

/** An expression that is not JSON gives no default. */
function decoded(text: string): { readonly default?: unknown } {
  try {
    return { default: JSON.parse(text) };
  } catch {
    return {};
  }
}

function typed(type: string | undefined): { readonly type?: string } {
  return type === undefined ? {} : { type };
}

function typeName(type: string): string | undefined {
  return types.has(type) ? types.get(type) : 'string';
}

function swaggerFormat(type: string): string {
  return formats.get(type) ?? type;
}

/** The type of an array's elements; null: the type is not an array. */
function elementType(type: string): string | null {
  return type.endsWith('[]') ? type.slice(0, -2) : null;
}
