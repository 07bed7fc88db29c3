/**
 * The names without duplicates, ordered by the codes of their characters: PostgREST's sets, as its messages list
 * them.
 */
export function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
