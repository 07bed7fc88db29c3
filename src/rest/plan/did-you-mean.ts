/** The least likeness for a parameter or relationship to be suggested. */
export const looseScore = 0.33;

/** The least likeness for a table or function: a guess must not reveal one that the requester does not know. */
export const strictScore = 0.75;

/** A name and its likeness to the one asked for: 1 is equal except for case; it is never below the least score. */
export interface SimilarName {
  readonly score: number;
  readonly name: string;
}

/** Names, indexed to find similar ones. */
export interface NameIndex {
  /** Names in lower case, the last name first. */
  readonly keys: readonly string[];
  /** The original name of each key. */
  readonly exact: ReadonlyMap<string, string>;
  readonly runs: readonly RunIndex[];
}

/** The names that contain each run of `size` characters, and how often. */
interface RunIndex {
  readonly size: number;
  readonly occurrences: ReadonlyMap<string, readonly Occurrence[]>;
  /** The length of each name's vector of counts. */
  readonly magnitudes: readonly number[];
}

interface Occurrence {
  readonly nameAt: number;
  readonly count: number;
}

/** Run sizes, tried in this order until one finds something. */
const runSizes = [3, 2];

/** The most candidates that are compared by edit distance. */
const comparedByDistance = 50;

/** Indexes the names once, for any number of searches. */
export function nameIndex(names: readonly string[]): NameIndex {
  const exact = new Map<string, string>();
  const keys: string[] = [];
  const taken = new Set<string>();
  for (const name of names.toReversed()) {
    const key = name.toLowerCase();
    if (taken.has(key)) continue;
    taken.add(name);
    exact.set(key, name);
    keys.push(key);
  }
  return { exact, keys, runs: runSizes.map((size) => runIndex(keys, size)) };
}

/**
 * The names most similar to `asked`, best first; among equals, the name indexed last comes first. PostgREST's hints
 * come from a fuzzy set: the names that share most runs of three characters (two, if that finds none) are ranked by
 * edit distance.
 */
export function similarNames(index: NameIndex, asked: string, leastScore: number): SimilarName[] {
  const key = asked.toLowerCase();
  const same = index.exact.get(key);
  if (same !== undefined) return [{ score: 1, name: same }];
  const characters = [...key];
  // Skips a text that no edit could bring near any name. Half the score, because a character may take two units of a
  // string.
  if (!index.keys.some((candidate) => canReach(candidate.length, key.length, leastScore / 2))) return [];
  for (const runs of index.runs) {
    const found = byDistance(mostRunsInCommon(index.keys, runs, key), characters, leastScore);
    if (found.length > 0)
      return found.map(({ score, name }) => ({ score, name: index.exact.get(name) ?? name }));
  }
  return [];
}

function runIndex(keys: readonly string[], size: number): RunIndex {
  const occurrences = new Map<string, Occurrence[]>();
  const magnitudes = keys.map((key, nameAt) => {
    const runs = runsOf(key, size);
    for (const [run, count] of runs) {
      const found = occurrences.get(run);
      if (found) found.push({ nameAt, count });
      else occurrences.set(run, [{ nameAt, count }]);
    }
    return magnitude(runs);
  });
  return { size, occurrences, magnitudes };
}

/** Keys ranked by the cosine of their counts and those of `asked`, as many as the edit distance then compares. */
function mostRunsInCommon(
  keys: readonly string[],
  { size, occurrences, magnitudes }: RunIndex,
  asked: string,
): string[] {
  const products = new Uint32Array(keys.length);
  for (const [run, askedCount] of runsOf(asked, size)) {
    for (const { nameAt, count } of occurrences.get(run) ?? []) {
      products[nameAt] = (products[nameAt] ?? 0) + count * askedCount;
    }
  }
  return keys
    .map((key, at) => ({ key, cosine: (products[at] ?? 0) / (magnitudes[at] ?? 1) }))
    .filter(({ cosine }) => cosine > 0)
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, comparedByDistance)
    .map(({ key }) => key);
}

function byDistance(keys: readonly string[], asked: readonly string[], leastScore: number): SimilarName[] {
  return keys
    .flatMap((name) => {
      const characters = [...name];
      if (!canReach(characters.length, asked.length, leastScore)) return [];
      const score = 1 - editDistance(asked, characters) / Math.max(asked.length, characters.length);
      return score >= leastScore ? [{ score, name }] : [];
    })
    .sort((a, b) => b.score - a.score);
}

/** Whether texts of these lengths can be that similar. This bounds the work on a name of megabytes. */
function canReach(length: number, otherLength: number, leastScore: number): boolean {
  const longer = Math.max(length, otherLength);
  return longer > 0 && Math.min(length, otherLength) / longer >= leastScore;
}

/** Counts each run of `size` characters among the text's letters, digits, spaces and commas, enclosed in dashes. */
function runsOf(text: string, size: number): Map<string, number> {
  const characters = ['-', ...text.replaceAll(/[^\p{L}\p{N}\s,]/gu, ''), '-'];
  const runs = new Map<string, number>();
  for (let start = 0; start + size <= characters.length; start += 1) {
    const run = characters.slice(start, start + size).join('');
    runs.set(run, (runs.get(run) ?? 0) + 1);
  }
  return runs;
}

function magnitude(runs: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of runs.values()) sum += count * count;
  return Math.sqrt(sum);
}

/** Levenshtein's distance: insertions, deletions and substitutions. Two rows of its table are kept, in turn. */
function editDistance(a: readonly string[], b: readonly string[]): number {
  let above = Uint32Array.from({ length: b.length + 1 }, (_, column) => column);
  let row = new Uint32Array(b.length + 1);
  for (let i = 0; i < a.length; i += 1) {
    row[0] = i + 1;
    for (let j = 0; j < b.length; j += 1) {
      const substituted = (above[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      row[j + 1] = Math.min(substituted, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1);
    }
    [above, row] = [row, above];
  }
  return above[b.length] ?? 0;
}
