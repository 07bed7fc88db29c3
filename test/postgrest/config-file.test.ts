import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfigFile } from '../../src/postgrest/config-file.ts';

function read(files: Record<string, string>, env: Record<string, string> = {}): Record<string, unknown> {
  const readText = (file: string): string => {
    const text = files[path.basename(file)];
    if (text === undefined) throw new Error('ENOENT: no such file');
    return text;
  };
  return Object.fromEntries(readConfigFile('main.conf', { readText, env }));
}

const readOne = (text: string, env?: Record<string, string>) => read({ 'main.conf': text }, env);

describe('a configuration file', () => {
  it('has keys with text, numbers and booleans, and comments', () => {
    expect(
      readOne(`
        # a comment with utf-8: commènt
        db-uri = "postgres://u:p@h/d" # behind a value
        server-port=3000
        db-pool = 1e1
        db-plan-enabled = true
        log-query = off
        app.settings.name_var = "John \\"Jack\\" \\u00e9\\n"

        #; db-anon-role = "taken out"
        jwt-secret =
          "on the next line"`),
    ).toEqual({
      'db-uri': 'postgres://u:p@h/d',
      'server-port': 3000,
      'db-pool': 10,
      'db-plan-enabled': true,
      'log-query': false,
      'app.settings.name_var': 'John "Jack" é\n',
      'jwt-secret': 'on the next line',
    });
  });

  it('expands environment variables and earlier keys in text, and two dollar signs to one', () => {
    expect(
      readOne(
        `host = "db.example"
         port = 5433
         db-uri = "postgres://$(USER_NAME)@$(host):$(port)/d"
         jwt-role-claim-key = "$$.role"`,
        { USER_NAME: 'ann' },
      ),
    ).toMatchObject({
      'db-uri': 'postgres://ann@db.example:5433/d',
      'jwt-role-claim-key': '$.role',
    });
  });

  it('imports other files, relative to itself, and has groups', () => {
    const files = {
      'main.conf': 'import "more.conf"\napp { settings { a = "1"\n b = "$(a)2" } }',
      'more.conf': 'db-pool = 3',
    };
    expect(read(files)).toEqual({ 'db-pool': 3, 'app.settings.a': '1', 'app.settings.b': '12' });
  });

  it('lets the later of two values of a key count', () => {
    expect(readOne('db-pool = 1\ndb-pool = 2')).toEqual({ 'db-pool': 2 });
  });

  it.each([
    ['db-uri = postgres://h', 'main.conf, line 1, column 10: a value is expected'],
    ['a = 1\nb = "x', 'line 2, column 7: the text has no closing quote'],
    ['a = 1 b = 2', 'line 1, column 6: the line should end after the value'],
    ['a 1', '= is expected after a'],
    ['a = "$HOME"', 'the value of a has a single $'],
    ['a = "$(NOWHERE)"', '$(NOWHERE) in a is neither a key nor a variable'],
    ['x { a = 1', 'a group is not closed'],
    ['import "gone.conf"', 'gone.conf cannot be read: ENOENT'],
    ['import "main.conf"', 'imports itself'],
    ['= 1', 'a key is expected'],
  ])('refuses %j and says where', (text, message) => {
    expect(() => readOne(text)).toThrow(message);
  });

  it('never shows a value in its messages', () => {
    expect(() => readOne('jwt-secret = "hunter2" hunter2')).toThrow(/^(?!.*hunter2)/s);
  });
});
