const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/;
/** Names of numbers that depend on what ran before. */
const counted = /^fencing_?token$/i;

/** How an answer is compared with the one that a page shows. */
export interface Comparison {
  /** Whether properties that the page does not show are left out. */
  readonly inPart: boolean;
  /** Receives each value that the page shows, with the real one, for later commands that repeat it. */
  readonly names?: Map<string, string>;
}

/**
 * `got` with the shown value in place of the real one where both are ids, or both are times, or where the page leaves text out with
 * `...`. So `toEqual(shown)` compares everything else.
 */
export function asShown(got: unknown, shown: unknown, comparison: Comparison): unknown {
  const { inPart, names } = comparison;
  if (Array.isArray(got) && Array.isArray(shown)) {
    return got.map((item, at) => asShown(item, shown[at], comparison));
  }
  if (isObject(got) && isObject(shown)) {
    const kept = Object.entries(got).filter(([key]) => !inPart || key in shown);
    return Object.fromEntries(
      kept.map(([key, value]) => {
        const other = shown[key];
        if (!counted.test(key) || !isCount(value) || !isCount(other)) {
          return [key, asShown(value, other, comparison)];
        }
        names?.set(`"${key}": ${JSON.stringify(other)}`, `"${key}": ${JSON.stringify(value)}`);
        return [key, other];
      }),
    );
  }
  if (typeof got !== 'string' || typeof shown !== 'string' || !patternOf(shown).test(got)) return got;
  if (got !== shown) names?.set(shown, got);
  return shown;
}

/** The same for a text, line by line. */
export function textAsShown(got: string, shown: string): string {
  const shownLines = shown.trimEnd().split('\n');
  return got
    .trimEnd()
    .split('\n')
    .map((padded, at) => {
      const line = padded.trimEnd();
      const counts = (text: string) => text.replaceAll(/(fencing[_ ]?token["']?:? )\d+/gi, '$1<count>');
      const shownLine = shownLines[at] ?? '';
      return patternOf(counts(shownLine)).test(counts(line)) ? shownLine : line;
    })
    .join('\n');
}

/** The last JSON document in a program's output. Throws when the output ends with anything else. */
export function lastJson(printed: string): unknown {
  const lines = printed.trimEnd().split('\n');
  for (let from = lines.length - 1; from >= 0; from--) {
    try {
      return JSON.parse(lines.slice(from).join('\n'));
    } catch {
      // The document begins further up.
    }
  }
  throw new Error(`expected output that ends with JSON, got: ${printed}`);
}

/** Matches a text that differs from this one only in ids, times and the parts that it leaves out. */
function patternOf(shown: string): RegExp {
  const variable = new RegExp(`(${uuid.source})|(${time.source})|\\.\\.\\.`, 'g');
  let pattern = '';
  let end = 0;
  for (const match of shown.matchAll(variable)) {
    pattern += escape(shown.slice(end, match.index));
    pattern += match[1] !== undefined ? uuid.source : match[2] !== undefined ? time.source : '.*';
    end = match.index + match[0].length;
  }
  return new RegExp(`^${pattern}${escape(shown.slice(end))}$`, 's');
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return /^[1-9]\d*$/.test(String(value));
}
