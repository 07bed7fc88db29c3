/** One archive that the host's apt is configured to use, for packages in binary form. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /**
   * The keyring file that the source names; missing when apt's own list of trusted keys applies, or the key is inline.
   */
  readonly keyring?: string;
}

/** Sources in the one-line form, as in `sources.list` and `*.list`: enabled `deb` lines, in the order of the file. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) continue;
    const [, options = '', uri = '', suite = '', components = ''] = match;
    const keyring = /(?:^|\s)signed-by\s*=\s*(\S+)/i.exec(options)?.[1];
    sources.push(aptSource(uri, suite, words(components), keyring));
  }
  return sources;
}

/** Sources in the deb822 form, as in `*.sources`: every URI of an enabled stanza with every one of its suites. */
export function parseDeb822Sources(text: string): AptSource[] {
  // A comment between the lines of a stanza, as on Debian's own images, does not end it.
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = deb822Fields(stanza);
    if (!words(fields.get('types')).includes('deb')) return [];
    if (/^(no|false|without|off|disable)$/i.test(fields.get('enabled') ?? '')) return [];
    const components = words(fields.get('components'));
    return words(fields.get('uris')).flatMap((uri) =>
      words(fields.get('suites')).map((suite) => aptSource(uri, suite, components, fields.get('signed-by'))),
    );
  });
}

/**
 * The sources among these that look like Debian's main archive, each address once, likeliest first. They are
 * candidates only: others use Debian's suite names too, and the signature of what they serve decides.
 */
export function debianArchives(sources: readonly AptSource[]): AptSource[] {
  const archives = new Map<string, AptSource>();
  for (const source of sources) {
    if (!debianSuites.has(source.suite) || !source.components.includes('main')) continue;
    if (source.uri.startsWith('cdrom:') || archives.has(source.uri)) continue;
    archives.set(source.uri, source);
  }
  const looksRight = (source: AptSource) => /debian/i.test(source.uri);
  const all = [...archives.values()];
  return [...all.filter(looksRight), ...all.filter((source) => !looksRight(source))];
}

// Only suites of the main archive: `-security`, `-updates` and `-backports` have other addresses or other packages.
const debianSuites = new Set(
  'oldoldstable oldstable stable testing unstable buster bullseye bookworm trixie forky duke sid'.split(' '),
);

function aptSource(
  uri: string,
  suite: string,
  components: readonly string[],
  signedBy: string | undefined,
): AptSource {
  return { uri, suite, components, ...(signedBy?.startsWith('/') && { keyring: signedBy }) };
}

function deb822Fields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let name: string | undefined;
  for (const line of stanza.split('\n')) {
    const start = /^([\w-]+):\s*(.*)$/.exec(line);
    if (start) {
      name = start[1]!.toLowerCase();
      fields.set(name, start[2]!.trim());
    } else if (name && /^\s/.test(line)) {
      fields.set(name, `${fields.get(name)}\n${line.trim()}`);
    }
  }
  return fields;
}

function words(text: string | undefined): string[] {
  return text?.split(/\s+/).filter(Boolean) ?? [];
}
