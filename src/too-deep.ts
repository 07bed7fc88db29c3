/** Most arrays and objects that a request's value may nest. Postgres gives up at some thousands. */
export const maxJsonDepth = 200;

/**
 * Whether a library ran out of stack. Everything that recurses here follows a client's input, so that input
 * nests too deep. Input whose depth is counted beforehand is refused before it gets here.
 */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded';
}

/** Whether a JSON value nests more than `maxDepth` arrays and objects. Does not recurse itself. */
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
