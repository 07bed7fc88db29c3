import { Kind, TypeInfo, visit, visitWithTypeInfo } from 'postgraphile/graphql';
import type {
  ArgumentNode,
  DocumentNode,
  FieldNode,
  GraphQLField,
  GraphQLSchema,
  OperationDefinitionNode,
  ValueNode,
} from 'postgraphile/graphql';
import type { PageSizes } from '../../request-budget.ts';

/** The variables of a request. */
export type Variables = Readonly<Record<string, unknown>> | undefined;

/** A document in which every list has a stated length. */
export interface PagedDocument {
  readonly document: DocumentNode;
  /**
   * Names of variables, one group per list whose length depends on variables alone. At least one variable of a group
   * needs a value; the first gets the default.
   */
  readonly pageVariables: readonly (readonly string[])[];
  /** Whether the length of any list depends on variables. */
  readonly sizesVary: boolean;
}

/** Whether a field returns a page of rows. */
export function isPaged({ args }: GraphQLField<unknown, unknown>): boolean {
  // Requires both, because a stored function may have a parameter of either name.
  return args.some(({ name }) => name === 'first') && args.some(({ name }) => name === 'offset');
}

/** Adds `first` to every list of a validated document whose length is not stated. */
export function withPages(
  document: DocumentNode,
  schema: GraphQLSchema,
  { byDefault }: PageSizes,
): PagedDocument {
  const groups = new Map<string, readonly string[]>();
  let sizesVary = false;
  const typeInfo = new TypeInfo(schema);
  const Field = (field: FieldNode): FieldNode | undefined => {
    const definition = typeInfo.getFieldDef();
    if (!definition || !isPaged(definition)) return undefined;
    const said = pageArguments(field);
    if (said.length === 0) {
      const others = field.arguments?.filter(({ name }) => name.value !== 'first') ?? [];
      return { ...field, arguments: [...others, firstOf(byDefault)] };
    }
    const names = said.flatMap(({ value }) => (value.kind === Kind.VARIABLE ? [value.name.value] : []));
    if (names.length > 0) sizesVary = true;
    if (names.length === said.length) groups.set(names.join(' '), names);
    return undefined;
  };
  const paged = visit(document, visitWithTypeInfo(typeInfo, { Field }));
  return { document: paged, pageVariables: [...groups.values()], sizesVary };
}

/** The arguments `first` and `last`, in this order, without those that are null. */
function pageArguments({ arguments: given = [] }: FieldNode): readonly ArgumentNode[] {
  return given
    .filter(
      ({ name, value }) => (name.value === 'first' || name.value === 'last') && value.kind !== Kind.NULL,
    )
    .toSorted((a, b) => (a.name.value < b.name.value ? -1 : 1));
}

function firstOf(count: number): ArgumentNode {
  return {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: 'first' },
    value: { kind: Kind.INT, value: String(count) },
  };
}

/** The variables, plus the default page for each list that they leave open. The same object if nothing is open. */
export function filledVariables(
  pageVariables: PagedDocument['pageVariables'],
  operation: OperationDefinitionNode,
  variables: Variables,
  { byDefault }: PageSizes,
): Variables {
  const used = operation.variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  let filled = variables;
  for (const names of pageVariables) {
    const [name] = names;
    // The variable belongs to another operation of the document.
    if (name === undefined || !used.includes(name)) continue;
    const isSaid = names.some((each) => (valueOf(operation, filled, each) ?? null) !== null);
    if (!isSaid) filled = { ...filled, [name]: byDefault };
  }
  return filled;
}

/** Most rows that a paged field asks for, by its arguments and the variables. */
export function pageSizeOf(
  field: FieldNode,
  operation: OperationDefinitionNode,
  variables: Variables,
  { byDefault }: PageSizes,
): number {
  const sizes = pageArguments(field).flatMap(({ value }) => numberOf(value, operation, variables) ?? []);
  return sizes.length === 0 ? byDefault : Math.max(0, ...sizes);
}

/** Null: the value is missing or not a number; execution refuses the latter. */
function numberOf(value: ValueNode, operation: OperationDefinitionNode, variables: Variables): number | null {
  if (value.kind === Kind.INT) return Number(value.value);
  if (value.kind !== Kind.VARIABLE) return null;
  const given = valueOf(operation, variables, value.name.value);
  return typeof given === 'number' ? given : null;
}

function valueOf(operation: OperationDefinitionNode, variables: Variables, name: string): unknown {
  const given = variables?.[name];
  if (given !== undefined) return given;
  const definition = operation.variableDefinitions?.find(({ variable }) => variable.name.value === name);
  return definition?.defaultValue?.kind === Kind.INT ? Number(definition.defaultValue.value) : undefined;
}
