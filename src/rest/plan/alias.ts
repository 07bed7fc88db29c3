/** Postgres cuts identifiers at this many bytes, which could make different aliases equal. */
const longestIdentifier = 63;

/** Makes aliases for levels: readable in EXPLAIN, and still different when they have to be cut. */
export type AliasGiver = (text: string) => string;

/** Makes an alias giver for one plan. */
export function aliasGiver(): AliasGiver {
  let cut = 0;
  return (text) => {
    if (Buffer.byteLength(text) <= longestIdentifier) return text;
    cut += 1;
    const suffix = `_${cut}`;
    return `${beginning(text, longestIdentifier - suffix.length)}${suffix}`;
  };
}

/** The longest beginning of whole characters that fits. */
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
