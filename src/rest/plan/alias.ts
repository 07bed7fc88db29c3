/** Postgres cuts identifiers at this many bytes, which would make different aliases the same. */
const longestIdentifier = 63;

/** Gives aliases for levels: speaking ones, for EXPLAIN, which stay different when they are too long. */
export type AliasGiver = (text: string) => string;

/** A giver for one plan. */
export function aliasGiver(): AliasGiver {
  let cut = 0;
  return (text) => {
    if (Buffer.byteLength(text) <= longestIdentifier) return text;
    cut += 1;
    const suffix = `_${cut}`;
    return `${beginning(text, longestIdentifier - suffix.length)}${suffix}`;
  };
}

/** As many whole characters as fit. */
function beginning(text: string, bytes: number): string {
  let kept = '';
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    kept += character;
  }
  return kept;
}
