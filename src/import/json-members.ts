import { endOfString } from '../storable-text.ts';

/** A member of a JSON object: its name, and its value as it is written. */
export interface JsonMember {
  readonly name: string;
  readonly json: string;
}

/** The members of a JSON object in their order, with every digit of their numbers. The text has been found to be one by JSON.parse. */
export function membersOf(text: string): JsonMember[] {
  const members: JsonMember[] = [];
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const endOfName = endOfString(text, at);
    const name = stringOf(text.slice(at, endOfName));
    const from = skipSpace(text, text.indexOf(':', endOfName) + 1);
    const end = endOfValue(text, from);
    members.push({ name, json: text.slice(from, end).trimEnd() });
    at = skipSpace(text, text.indexOf(',', end) + 1 || text.length);
  }
  return members;
}

/** The text of a JSON string. */
export function stringOf(json: string): string {
  return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
}

/** The place behind the value that begins at `from`, or of what separates it from the next one; the length of a text that ends within it. */
export function endOfValue(text: string, from: number): number {
  const first = text[from];
  if (first === '"') return endOfString(text, from);
  let depth = first === '{' || first === '[' ? 1 : 0;
  if (depth === 0) {
    let at = from;
    while (at < text.length && text[at] !== ',' && text[at] !== '}') at += 1;
    return at;
  }
  for (let at = from + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at) - 1;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

/** What nests deeper is not parsed: that would take memory that is a hundred times the text. Far less is refused with its place (storable.ts). */
export const deepestParsed = 10_000;

/** Whether JSON nests more arrays and objects than `most`. */
export function isDeeper(json: string, most: number): boolean {
  // Each level takes two characters.
  if (json.length <= 2 * most) return false;
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') at = endOfString(json, at) - 1;
    else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > most) return true;
    } else if (character === '}' || character === ']') depth -= 1;
  }
  return false;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}
