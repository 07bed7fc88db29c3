/** Names once each, in the order of their characters' codes: PostgREST's sets, as its messages list them. */
export function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
