/** The same connection under another role from its first statement on; the login must be allowed to become it. */
export function withRole(connectionString: string, role: string): string {
  const url = new URL(connectionString);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
}

/** A connection string that may be shown: without the password. */
export function withoutPassword(connectionString: string): string {
  const url = new URL(connectionString);
  if (url.password !== '') url.password = '***';
  return url.href;
}
