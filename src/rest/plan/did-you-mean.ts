/** How alike two names must be for a parameter or a relationship to be suggested. */
export const looseScore = 0.33;

/** How alike for a table or a function: a guess must not reveal what its asker does not know of. */
export const strictScore = 0.75;

/** A name with its likeness to what was asked for: 1 is equal but for case, never below the least score asked for. */
export interface SimilarName {
  readonly score: number;
  readonly name: string;
}

/**
 * The names most like `asked`, best first; of equals the last of `names`. PostgREST's hints come from a fuzzy set: those
 * that share most runs of three characters (two, where that finds none) are ranked by edit distance.
 */
export function similarNames(names: readonly string[], asked: string, leastScore: number): SimilarName[] {
  const key = asked.toLowerCase();
  const { exact, keys } = indexed(names);
  const same = exact.get(key);
  if (same !== undefined) return [{ score: 1, name: same }];
  const askedCharacters = [...key];
  const reachable = keys.some((candidate) =>
    canReach([...candidate].length, askedCharacters.length, leastScore),
  );
  if (!reachable) return [];
  for (const size of [3, 2]) {
    const found = byDistance(mostRunsInCommon(keys, key, size), askedCharacters, leastScore);
    if (found.length > 0) return found.map(({ score, name }) => ({ score, name: exact.get(name) ?? name }));
  }
  return [];
}

/** Lower-case keys, last name first, and the name that each stands for. */
function indexed(names: readonly string[]): { exact: Map<string, string>; keys: string[] } {
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
  return { exact, keys };
}

/** More candidates than this are not compared by edit distance. */
const comparedByDistance = 50;

function mostRunsInCommon(keys: readonly string[], asked: string, size: number): string[] {
  const askedRuns = runsOf(asked, size);
  const askedLength = magnitude(askedRuns);
  return keys
    .flatMap((key) => {
      const runs = runsOf(key, size);
      let product = 0;
      for (const [run, count] of runs) product += count * (askedRuns.get(run) ?? 0);
      return product === 0 ? [] : [{ key, cosine: product / (askedLength * magnitude(runs)) }];
    })
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

/** Whether two texts of these lengths can be that alike: what bounds the work on a name of megabytes. */
function canReach(length: number, otherLength: number, leastScore: number): boolean {
  const longer = Math.max(length, otherLength);
  return longer > 0 && Math.min(length, otherLength) / longer >= leastScore;
}

/** How often each run of `size` characters occurs among letters, digits, spaces and commas, enclosed in dashes. */
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

/** Levenshtein's: insertions, deletions and substitutions. */
function editDistance(a: readonly string[], b: readonly string[]): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, character] of a.entries()) {
    const current = [row + 1];
    for (const [column, other] of b.entries()) {
      current.push(
        Math.min(
          (previous[column + 1] ?? 0) + 1,
          (current[column] ?? 0) + 1,
          (previous[column] ?? 0) + (character === other ? 0 : 1),
        ),
      );
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
