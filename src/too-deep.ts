/** Arrays and objects within each other that a value of a request may have. Postgres gives up at some thousands. */
export const maxJsonDepth = 200;

/**
 * Whether a library ran out of stack. All that recurses here follows what a client sent, so it is the client's input that
 * nests too deep; what is counted beforehand is refused before it comes to this.
 */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded';
}

/** Whether a value of JSON has more than `maxDepth` arrays and objects within each other. Does not recurse itself. */
export function nestsDeeper(value: unknown, maxDepth: number): boolean {
  let level: readonly object[] = isContainer(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) return true;
    level = level.flatMap((each) => Object.values(each).filter(isContainer));
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
