import { postgrestOptions } from './option-list.ts';
import type { PostgrestOption } from './option.ts';

/** A configuration file with every option, each commented out and at its default. */
export function exampleConfig(): string {
  return postgrestOptions
    .map(({ name, type, fallback, meaning }: PostgrestOption) => {
      const isQuoted = type.startsWith('text') || fallback === '';
      const value = isQuoted ? `"${fallback.replaceAll('$', '$$$$')}"` : fallback;
      return `## ${meaning.replaceAll(/[*`]{2}|`/g, '')}\n# ${name} = ${value}\n`;
    })
    .join('\n');
}
