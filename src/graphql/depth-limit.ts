import { GraphQLError, Kind } from 'postgraphile/graphql';
import type { FragmentDefinitionNode, SelectionSetNode, ValidationRule } from 'postgraphile/graphql';
import type { ErrorCode } from '../errors.ts';

/** Fields inside fields, at most. GraphiQL's own introspection query has 15. */
export const maxQueryDepth = 20;

/** Refuses operations that nest deeper than `maxQueryDepth`, fragments counted where they are spread. */
export const depthLimitRule: ValidationRule = (context) => ({
  OperationDefinition(operation) {
    const depthOfFragment = new Map<FragmentDefinitionNode, number>();
    const depthOf = (selectionSet: SelectionSetNode | undefined): number => {
      let deepest = 0;
      for (const selection of selectionSet?.selections ?? []) {
        if (selection.kind === Kind.FIELD) {
          deepest = Math.max(deepest, 1 + depthOf(selection.selectionSet));
        } else if (selection.kind === Kind.INLINE_FRAGMENT) {
          deepest = Math.max(deepest, depthOf(selection.selectionSet));
        } else {
          const fragment = context.getFragment(selection.name.value);
          if (fragment) deepest = Math.max(deepest, depthOfSpread(fragment));
        }
      }
      return deepest;
    };
    const depthOfSpread = (fragment: FragmentDefinitionNode): number => {
      let depth = depthOfFragment.get(fragment);
      if (depth === undefined) {
        // A fragment that spreads itself is refused by another rule; here it only must not go round for ever.
        depthOfFragment.set(fragment, 0);
        depth = depthOf(fragment.selectionSet);
        depthOfFragment.set(fragment, depth);
      }
      return depth;
    };
    const depth = depthOf(operation.selectionSet);
    if (depth > maxQueryDepth) {
      const code: ErrorCode = 'QUERY_TOO_DEEP';
      context.reportError(
        new GraphQLError(
          `the query nests ${depth} fields deep; at most ${maxQueryDepth} are allowed. Ask for the inner ones by id.`,
          { nodes: operation, extensions: { code } },
        ),
      );
    }
  },
});
