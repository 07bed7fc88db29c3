/** Most keys of one object in a body, where a request has a budget. The shortest has five bytes: `"":0,`. */
export const maxObjectKeys = 20_000;

/** How many keys the largest object in JSON text has, when there are more than `maxObjectKeys`; null otherwise. Short text is not read. */
export function excessiveKeys(text: string): number | null {
  if (text.length <= 5 * maxObjectKeys) return null;
  const keys = keysOfLargestObject(text);
  return keys > maxObjectKeys ? keys : null;
}

/**
 * How many keys the largest object in JSON text has, at any depth; equal keys count each. The text need not be JSON. Reads it
 * once and makes nothing of it: parsing an object of 100,000 keys takes a hundred times as long.
 */
export function keysOfLargestObject(text: string): number {
  let largest = 0;
  /** Keys so far of the objects and arrays that are open; the innermost is `keys`. */
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

/** Where the string that begins here has its closing quote; the end of the text when it has none. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
