/**
 * Whether a result's JSON has more than `maxBytes`, found without writing it: values of a result share their texts,
 * while the JSON repeats each text wherever it is shown. A character counts as a byte, so JSON that is not ASCII may
 * turn out several times larger.
 */
export function isLargerThan(value: unknown, maxBytes: number): boolean {
  let left = maxBytes;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const each = waiting.pop();
    if (typeof each === 'string') {
      left -= each.length + 3;
    } else if (typeof each !== 'object' || each === null) {
      left -= 5;
    } else if (Array.isArray(each)) {
      left -= 2;
      for (const item of each) waiting.push(item);
    } else {
      left -= 2;
      for (const name in each) {
        left -= name.length + 3;
        waiting.push((each as Record<string, unknown>)[name]);
      }
    }
    if (left < 0) return true;
  }
  return false;
}
