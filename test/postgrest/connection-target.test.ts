import { describe, expect, it } from 'vitest';
import { parseConnectionString } from '../../src/postgrest/connection-string.ts';
import { connectionTarget } from '../../src/postgrest/connection-target.ts';
import type { ConnectionTarget } from '../../src/postgrest/connection-target.ts';

function target(
  text: string,
  env: Record<string, string> = {},
  socket: string | null = null,
): ConnectionTarget {
  return connectionTarget(parseConnectionString(text, env), {
    user: 'me',
    socketDirectory: () => socket,
    readText: (file) => {
      if (file === '/ca.pem') return 'CERTIFICATE';
      throw new Error('ENOENT: no such file');
    },
  });
}

describe('a connection string', () => {
  it.each([
    ['postgres://ann:p%40ss@db.example:5433/shop', 'postgres://ann:p%40ss@db.example:5433/shop'],
    ['postgresql://ann@db.example', 'postgres://ann@db.example:5432/ann'],
    ['postgresql://', 'postgres://me@localhost:5432/me'],
    [
      'postgres://admin:?pass?special?@localhost:5432/postgres',
      'postgres://admin:%3Fpass%3Fspecial%3F@localhost:5432/postgres',
    ],
    [
      'postgres://user:invalid_chars[]#@host:5432/postgres',
      'postgres://user:invalid_chars%5B%5D%23@host:5432/postgres',
    ],
    ['postgres://u@[::1]:5433/d', 'postgres://u@[::1]:5433/d'],
    ['postgresql:///d?host=/run/pg&port=5433&user=u', 'postgres://u@localhost:5433/d?host=%2Frun%2Fpg'],
    ['postgres://u@%2Frun%2Fpg/d', 'postgres://u@localhost:5432/d?host=%2Frun%2Fpg'],
    ['postgresql://?dbname=d&host=h&user=u&password=p', 'postgres://u:p@h:5432/d'],
    [
      "host=db.example port=5433 user=ann password='it''s' dbname=shop".replace("''", "\\'"),
      "postgres://ann:it's@db.example:5433/shop",
    ],
    ["host = h  user = 'a b' dbname=d", 'postgres://a%20b@h:5432/d'],
    ['postgres://u@h/d?options=-c%20role%3Dx', 'postgres://u@h:5432/d?options=-c+role%3Dx'],
  ])('%s leads to %s', (text, expected) => {
    expect(target(text).connectionString).toBe(expected);
  });

  it("takes missing parts from libpq's variables", () => {
    const env = {
      PGHOST: 'h',
      PGPORT: '5433',
      PGUSER: 'u',
      PGPASSWORD: 'p',
      PGDATABASE: 'd',
      PGAPPNAME: 'app',
    };
    expect(target('postgresql://', env)).toMatchObject({
      connectionString: 'postgres://u:p@h:5433/d',
      applicationName: 'app',
    });
    expect(target('postgres://x@y/z', env).connectionString).toBe('postgres://x:p@y:5433/z');
  });

  it("uses this machine's socket, without TLS, when it names no host and the socket exists", () => {
    expect(target('postgres://u@/d', {}, '/run/postgresql')).toMatchObject({
      connectionString: 'postgres://u@localhost:5432/d?host=%2Frun%2Fpostgresql',
      tls: [false],
    });
  });

  it('asks for TLS as sslmode says', () => {
    const tls = (query: string) => target(`postgres://u@h/d${query}`).tls;
    expect(tls('')).toEqual([{ rejectUnauthorized: false }, false]);
    expect(tls('?sslmode=disable')).toEqual([false]);
    expect(tls('?sslmode=allow')).toEqual([false, { rejectUnauthorized: false }]);
    expect(tls('?sslmode=require')).toEqual([{ rejectUnauthorized: false }]);
    expect(tls('?ssl=true')).toEqual([{ rejectUnauthorized: false }]);
    expect(tls('?sslmode=require&sslrootcert=/ca.pem')).toEqual([
      { ca: 'CERTIFICATE', checkServerIdentity: expect.any(Function) },
    ]);
    expect(tls('?sslmode=verify-ca&sslrootcert=/ca.pem')).toEqual([
      { ca: 'CERTIFICATE', checkServerIdentity: expect.any(Function) },
    ]);
    expect(tls('?sslmode=verify-full&sslrootcert=/ca.pem')).toEqual([{ ca: 'CERTIFICATE' }]);
    expect(tls('?sslmode=verify-full&sslrootcert=system')).toEqual([{}]);
  });

  it('names the parameters that have no effect', () => {
    expect(target('postgres://u@h/d?target_session_attrs=read-write&gssencmode=disable').ignored).toEqual([
      'target_session_attrs',
      'gssencmode',
    ]);
  });

  it.each([
    ['tmp_db', 'neither a URI'],
    ['host=a b', 'neither a URI'],
    ['postgres://u@a,b/d', 'several hosts'],
    ['postgres://u@h:port/d', 'port is not a number'],
    ['host=h port=0x1538', 'port is not a number'],
    ['host=h port=5e3', 'port is not a number'],
    ['postgres://u@h/d?connect_timeout=1e3', 'connect_timeout is not a whole number'],
    ['postgres://u@h/d?connect_timeout=5s', 'connect_timeout is not a whole number'],
    ['postgres://u:100%@h/d', 'a % without two hexadecimal digits after it'],
    ['postgres://u@h/d?sslmode=sure', 'sslmode is "sure"; allowed are disable, allow'],
    ['postgres://u@h/d?sslmode=verify-ca&sslrootcert=/gone', 'sslrootcert cannot be read: ENOENT'],
    ['postgres://u@h/d?fast', 'a parameter without a ='],
  ])('%s is refused', (text, message) => {
    expect(() => target(text)).toThrow(message);
  });
});
