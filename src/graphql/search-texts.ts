import { Kind, visit } from 'postgraphile/graphql';
import type { DocumentNode, ValueNode } from 'postgraphile/graphql';

/** A text in a query: a literal or a variable. */
type TextSource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly fallback: string | null };

/** Sources by document: the same documents are executed again and again, and hardly any has such a field. */
const sourcesByDocument = new WeakMap<DocumentNode, readonly TextSource[]>();

/** The texts that an operation searches for with `searchKnowledgeText`, anywhere in its validated document. */
export function searchTextsOf({
  document,
  variables,
}: {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
}): string[] {
  let sources = sourcesByDocument.get(document);
  if (!sources) {
    sources = sourcesOf(document);
    sourcesByDocument.set(document, sources);
  }
  return sources.flatMap((source) => {
    if (source.kind === 'text') return [source.text];
    const value = variables?.[source.name] ?? source.fallback;
    return typeof value === 'string' ? [value] : [];
  });
}

function sourcesOf(document: DocumentNode): readonly TextSource[] {
  const fallbacks = new Map<string, string | null>();
  const values: ValueNode[] = [];
  visit(document, {
    VariableDefinition: ({ variable, defaultValue }) => {
      fallbacks.set(variable.name.value, defaultValue?.kind === Kind.STRING ? defaultValue.value : null);
    },
    Field: ({ name, arguments: given }) => {
      if (name.value !== 'searchKnowledgeText') return;
      const argument = given?.find((one) => one.name.value === 'queryText');
      if (argument) values.push(argument.value);
    },
  });
  return values.flatMap((value): TextSource[] => {
    if (value.kind === Kind.STRING) return [{ kind: 'text', text: value.value }];
    if (value.kind !== Kind.VARIABLE) return [];
    const name = value.name.value;
    return [{ kind: 'variable', name, fallback: fallbacks.get(name) ?? null }];
  });
}
