import { environmentName, postgrestOptions } from './option-list.ts';
import type { PostgrestOption } from './option.ts';

/** The options as a Markdown table, which docs/postgrest.md contains. */
export function optionsTable(): string {
  const rows = postgrestOptions.map(
    ({ name, fallback, aliases, meaning, inDatabase, reloadable }: PostgrestOption) => [
      `\`${environmentName(name)}\``,
      fallback === '' ? '' : `\`${fallback.replaceAll(',', ', ')}\``,
      `${inDatabase ? 'D' : ''}${reloadable ? 'R' : ''}`,
      aliases === undefined ? meaning : `${meaning} (also \`${aliases.join('`, `')}\`)`,
    ],
  );
  return [['variable', 'default', '', 'meaning'], ['---', '---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}
