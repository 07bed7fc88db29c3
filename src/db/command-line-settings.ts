/**
 * Reads settings from a startup packet's `options`, which are written as on a command line: `-c name=value`,
 * `-cname=value`, `--name=value`, with blanks and backslashes escaped by a backslash. Undefined: the text has
 * another form.
 */
export function commandLineSettings(options: string): (readonly [name: string, value: string])[] | undefined {
  const words = [...options.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) =>
    word.replaceAll(/\\([\s\S])/g, '$1'),
  );
  const settings: [string, string][] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const setting =
      word === '-c' ? words[++i] : word.startsWith('-c') || word.startsWith('--') ? word.slice(2) : '';
    const [, name, value] = /^([\w.-]+)=([\s\S]*)$/.exec(setting ?? '') ?? [];
    if (name === undefined || value === undefined) return undefined;
    settings.push([name.replaceAll('-', '_').toLowerCase(), value]);
  }
  return settings;
}
