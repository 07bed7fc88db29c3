/** Most keys of one object in a body, where a request has a budget. The shortest key takes five bytes: `"":0,`. */
export const maxObjectKeys = 20_000;

/**
 * The number of keys of the largest object in JSON text if it exceeds `maxObjectKeys`; null otherwise. Skips text too
 * short to exceed it.
 */
export function excessiveKeys(text: string): number | null {
  if (text.length <= 5 * maxObjectKeys) return null;
  const keys = keysOfLargestObject(text);
  return keys > maxObjectKeys ? keys : null;
}

/**
 * The number of keys of the largest object in JSON text, at any depth; equal keys count each time. The text need not be
 * JSON. Reads it once and builds nothing: parsing an object of 100,000 keys takes a hundred times as long.
 */
export function keysOfLargestObject(text: string): number {
  let largest = 0;
  /** Key counts of the open objects and arrays around the innermost, whose count is `keys`. */
  const outer: number[] = [];
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"':
        i = endOfString(text, i);
        break;
      case '{':
      case '[':
        outer.push(keys);
        keys = 0;
        break;
      case '}':
      case ']':
        keys = outer.pop() ?? 0;
        break;
      case ':':
        keys += 1;
        largest = Math.max(largest, keys);
        break;
      default:
    }
  }
  return largest;
}

/** The index of the closing quote of the string that begins here; the text's length if it has none. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
