/** The text in place of a secret, as `Secret` prints itself. */
const hidden = '[secret]';

/** Parameters of a database's URL that say nothing secret. */
const plainParameters: ReadonlySet<string> = new Set([
  'application_name',
  'connect_timeout',
  'host',
  'options',
  'port',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslrootcert',
]);

/**
 * A secret as it may be shown: the URL of a database without its password, and null for every other secret. What cannot be told
 * apart for certain is a secret as a whole: a password with a slash in it makes another URL of what was meant.
 */
export function shownSecret(value: string): string | null {
  const url = URL.parse(value);
  if (!url || !/^postgres(?:ql)?:$/.test(url.protocol) || url.hash !== '') return null;
  const { protocol, username, password, host, pathname, searchParams } = url;
  if (username === '' || !/^\/[\w.%-]+$/.test(pathname)) return null;
  if ([...searchParams.values()].some((each) => each.includes('@'))) return null;
  const parameters = [...searchParams]
    .map(([name, each]) => `${name}=${plainParameters.has(name) ? each : hidden}`)
    .join('&');
  return `${protocol}//${username}${password === '' ? '' : `:${hidden}`}@${host}${pathname}${parameters === '' ? '' : `?${parameters}`}`;
}

/** A text that is not a secret, without the passwords, and the keys in queries, of the URLs in it. */
export function withoutPasswords(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/?#"]*@/gi, `$1${hidden}@`)
    .replaceAll(/([?&][\w.-]*(?:key|token|secret|password|passwd|sig|signature)=)[^&#\s"]*/gi, `$1${hidden}`);
}
