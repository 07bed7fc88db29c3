/**
 * The same connection, acting as another role from its first statement on. The login must be allowed to become
 * that role.
 */
export function withRole(connectionString: string, role: string): string {
  const url = new URL(connectionString);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
}
