/** Content-Range without a unit (PostgREST, Pagination): `0-14/100`, `0-14/*`, or `*` for a page without rows. */
export function contentRange(first: number, last: number, total: number | null): string {
  const range = total !== 0 && first <= last ? `${first}-${last}` : '*';
  return `${range}/${total ?? '*'}`;
}

/**
 * The status of a page of `count` rows starting at `offset`: 206 if there are more rows in all, 416 beyond their end.
 */
export function rangeStatus(offset: number, count: number, total: number | null): 200 | 206 | 416 {
  if (total === null) return 200;
  if (offset > total) return 416;
  return count < total ? 206 : 200;
}
