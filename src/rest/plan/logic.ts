import type { LogicTree } from '../request/query.ts';

// Trees of conditions, whatever their leaves are.

/** A condition that stands alone. */
export function asLeaf<T>(leaf: T): LogicTree<T> {
  return { kind: 'leaf', leaf };
}

/** The same tree with changed leaves. */
export function mapLeaves<A, B>(tree: LogicTree<A>, change: (leaf: A) => B): LogicTree<B> {
  if (tree.kind === 'leaf') return asLeaf(change(tree.leaf));
  return { ...tree, members: tree.members.map((member) => mapLeaves(member, change)) };
}

/** All leaves of a tree, from left to right. */
export function leavesOf<T>(tree: LogicTree<T>): T[] {
  return tree.kind === 'leaf' ? [tree.leaf] : tree.members.flatMap(leavesOf);
}
