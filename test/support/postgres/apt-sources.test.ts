import { describe, expect, test } from 'vitest';
import { debianArchives, parseDeb822Sources, parseOneLineSources } from './apt-sources.ts';

describe('sources of the one-line form', () => {
  test.each([
    [
      'deb http://mirror.test/debian bookworm main',
      [source('http://mirror.test/debian', 'bookworm', ['main'])],
    ],
    [
      'deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian bookworm main contrib # ours',
      [
        {
          ...source('http://mirror.test/debian', 'bookworm', ['main', 'contrib']),
          keyring: '/keys/debian.gpg',
        },
      ],
    ],
    [
      '  deb\thttp://mirror.test/debian   bookworm   main',
      [source('http://mirror.test/debian', 'bookworm', ['main'])],
    ],
    [
      'deb mirror+file:/lists/debian.list trixie main',
      [source('mirror+file:/lists/debian.list', 'trixie', ['main'])],
    ],
    ['deb-src http://mirror.test/debian bookworm main', []],
    ['# deb http://mirror.test/debian bookworm main', []],
    ['', []],
  ])('%s', (line, expected) => {
    expect(parseOneLineSources(line)).toEqual(expected);
  });

  test('keep the order of the file', () => {
    const lines = 'deb http://one.test a main\n\ndeb http://two.test b main\n';
    expect(parseOneLineSources(lines).map(({ uri }) => uri)).toEqual(['http://one.test', 'http://two.test']);
  });
});

describe('sources of the deb822 form', () => {
  test('name every URI with every suite, and a comment inside a stanza does not end it', () => {
    const stanzas = `
# Debian's images say here which snapshot they were made from
Types: deb deb-src
# a comment in the middle
URIs: http://one.test/debian
 http://two.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://one.test/debian-security
Suites: bookworm-security
Components: main
`;
    const keyring = '/keys/debian.gpg';
    expect(parseDeb822Sources(stanzas)).toEqual([
      { ...source('http://one.test/debian', 'bookworm', ['main']), keyring },
      { ...source('http://one.test/debian', 'bookworm-updates', ['main']), keyring },
      { ...source('http://two.test/debian', 'bookworm', ['main']), keyring },
      { ...source('http://two.test/debian', 'bookworm-updates', ['main']), keyring },
      source('http://one.test/debian-security', 'bookworm-security', ['main']),
    ]);
  });

  test.each(['Enabled: no', 'enabled: false', 'Types: deb-src'])('leave out a stanza with %s', (field) => {
    const types = field.startsWith('Types') ? '' : 'Types: deb\n';
    const stanza = `${types}${field}\nURIs: http://mirror.test/debian\nSuites: bookworm\nComponents: main\n`;
    expect(parseDeb822Sources(stanza)).toEqual([]);
  });

  test('do not take an inline key for a keyring file', () => {
    const stanza =
      'Types: deb\nURIs: http://mirror.test\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n';
    expect(parseDeb822Sources(stanza)).toEqual([source('http://mirror.test', 'sid', ['main'])]);
  });
});

describe("Debian's main archives among the sources", () => {
  test('are those of a Debian suite with the component main, each once and likeliest first', () => {
    const archives = debianArchives([
      source('http://vendor.test/apt', 'bookworm', ['main']),
      source('http://mirror.test/debian', 'bookworm', ['main']),
      source('http://mirror.test/debian', 'bookworm-updates', ['main']),
      source('http://mirror.test/debian', 'trixie', ['main']),
      source('http://mirror.test/debian-security', 'bookworm-security', ['main']),
      source('http://docker.test/debian', 'bookworm', ['stable']),
      source('http://node.test', 'nodistro', ['main']),
      source('cdrom:[Debian 12]/', 'bookworm', ['main']),
    ]);
    expect(archives.map(({ uri }) => uri)).toEqual(['http://mirror.test/debian', 'http://vendor.test/apt']);
  });

  test('are none on Ubuntu', () => {
    expect(debianArchives([source('http://mirror.test/ubuntu', 'noble', ['main', 'universe'])])).toEqual([]);
  });
});

function source(uri: string, suite: string, components: string[]) {
  return { uri, suite, components };
}
